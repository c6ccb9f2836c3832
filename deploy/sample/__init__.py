"""What does the drill run on? Made-up agencies and reports in real places; `make.py` writes them."""
