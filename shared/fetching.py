"""How does one partition that the Kafka library cannot read leave all others alone? It is set aside and read by hand until it can be read again."""

from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError, UnsupportedCodecError
from aiokafka.protocol.fetch import FetchRequest

from shared import logs
from shared.salvage import MARK, salvage

BYTES = 1024 * 1024
RECORDS = 500


class Consumer(AIOKafkaConsumer):  # type: ignore[misc] # aiokafka has no types
    """Never loses what it has taken from one partition because of what stands in another.

    aiokafka's `getmany` raises in the middle: for a codec that is not installed, for a header's name that is not UTF-8. What it
    has drained until then is gone, and the next commit goes past it. So after any exception every partition goes back to
    its committed offset before anything else is read, and the partition at fault is paused: from then on `salvage` reads it.
    """

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._unsure = False  # positions may be ahead of what has been handed out
        self._aside: set[TopicPartition] = set()
        self.open: set[TopicPartition] = set()
        """Partitions of which a batch was handed out that is neither committed nor sought back: the watchdog asks."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord[Any, Any]]]:
        if self._unsure:
            await self._rewind()
        try:
            found: dict[TopicPartition, list[ConsumerRecord[Any, Any]]] = await super().getmany(
                *partitions, timeout_ms=timeout_ms, max_records=max_records
            )
        except ConsumerStoppedError:
            raise
        except Exception as reason:
            self._unsure = True
            culprit = self._culprit(reason)
            await self._rewind()
            if culprit is None:
                raise
            self._set_aside(culprit, reason)
            return {}
        try:
            for partition in tuple(self._aside):
                if records := await self._by_hand(partition, max_records or RECORDS):
                    found[partition] = records
        except Exception:
            self._unsure = True
            raise
        self.open = (self.open & self.assignment()) | found.keys()
        return found

    async def commit(self, offsets: Any = None) -> None:
        await super().commit(offsets)
        self.open.clear()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        super().seek(partition, offset)
        self.open.discard(partition)

    def _set_aside(self, culprit: TopicPartition, reason: Exception) -> None:
        error = type(reason).__name__
        logs.get("consumer").error("partition.unreadable", topic=culprit.topic, partition=culprit.partition, error=error)
        if culprit in self.assignment():
            self.pause(culprit)
            self._aside.add(culprit)

    def _culprit(self, reason: Exception) -> TopicPartition | None:
        """What was drained whole has left the fetcher's table, in its order: the first that is left is the one that raised.

        The broker's refusals and the group's troubles are raised before anything is drained, and belong to no record.
        """
        if isinstance(reason, KafkaError) and not isinstance(reason, CorruptRecordException | UnsupportedCodecError):
            return None
        first = next(iter(self._fetcher._records.items()), None)  # noqa: SLF001 - aiokafka tells it nowhere else; its version is pinned
        return first[0] if first is not None and type(first[1]) is FetchResult else None

    async def _rewind(self) -> None:
        """Every partition back to its committed offset; where nothing was committed, to where a new group begins.

        One that stands there already keeps what has been fetched for it: else an error that comes again and again starves it.
        """
        wanted = list(self.assignment())
        committed = await self._coordinator.fetch_committed_offsets(wanted) if wanted else {}
        fresh = []
        for partition in wanted:
            offset = committed[partition].offset if partition in committed else -1
            if partition not in self.assignment():
                continue
            state = self._subscription.subscription.assignment.state_value(partition)
            if state.has_valid_position and state.position == offset:
                continue
            if offset >= 0:
                self.seek(partition, offset)
            else:
                fresh.append(partition)
        if fresh:
            await self.seek_to_beginning(*fresh)
        self._unsure = False

    async def _by_hand(self, partition: TopicPartition, limit: int) -> list[ConsumerRecord[Any, Any]]:
        """Reads a paused partition. When nothing is left there it is read as ever: the next bad record finds it again."""
        if partition not in self.paused():  # another member has it by now
            self._aside.discard(partition)
            return []
        position = await self.position(partition)
        try:
            data = await self._raw(partition, position)
        except KafkaError as reason:
            logs.get("consumer").warning("partition.waits", topic=partition.topic, error=type(reason).__name__)
            return []
        if partition not in self.paused() or await self.position(partition) != position:
            return []
        records, following = salvage(partition, data or b"", position, limit)
        if following == position:
            self.resume(partition)
            self._aside.discard(partition)
            return []
        self.seek(partition, following)
        for record in records:
            if record.headers and record.headers[0][0] == MARK:
                error = (record.headers[0][1] or b"").decode()
                logs.get("consumer").error(
                    "record.unfetchable", topic=record.topic, partition=record.partition, offset=record.offset, error=error
                )
        return records

    async def _raw(self, partition: TopicPartition, offset: int) -> bytes | None:
        """The bytes of whole batches. None when the broker refuses: then the usual way finds out why.

        On the coordinator's connection, because a fetch that waits for news keeps the other one busy.
        """
        leader = self._client.cluster.leader_for_partition(partition)
        wanted = [(partition.topic, [(partition.partition, offset, BYTES)])]
        request = FetchRequest(0, 1, BYTES, 0, wanted, rack_id="")
        answer = await self._client.send(leader, request, group=ConnectionGroup.COORDINATION)
        ((_, ((_, error, _, *rest),)),) = answer.topics
        return bytes(rest[-1]) if not error and rest[-1] else None
