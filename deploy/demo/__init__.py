"""Does the main job work on this machine? The sample's reports, simulated partners over real HTTP and Kafka, and a verdict."""
