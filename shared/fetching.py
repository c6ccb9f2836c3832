"""How does one partition that the Kafka library cannot read leave all others alone? It is set aside and read by hand until it can be read again."""

import asyncio
import contextlib
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError, UnsupportedCodecError
from aiokafka.protocol.fetch import FetchRequest

from shared import logs
from shared.linger import linger
from shared.salvage import MARK, salvage

BYTES = 1024 * 1024
RECORDS = 500
COMMIT_SECONDS = 0.1
"""The broker writes every commit into a log of its own: one for each batch costs a tenth of all that a report costs."""
WAIT_SECONDS = 0.5
"""For the first record. FastStream asks for a fiftieth of it, and after each empty poll sleeps as long again: that takes processor time
from whoever works, and a record that comes meanwhile waits for its sleep to end."""
STOP_SECONDS = 2.0
"""For the last commit of a consumer that stops while the broker may be away."""


class Consumer(AIOKafkaConsumer):  # type: ignore[misc] # aiokafka has no types
    """Never loses what it has taken from one partition because of what stands in another.

    aiokafka's `getmany` raises in the middle: for a codec that is not installed, for a header's name that is not UTF-8. What it
    has drained until then is gone, and the next commit goes past it. So after any exception every partition goes back to
    its committed offset before anything else is read, and the partition at fault is paused: from then on `salvage` reads it.

    A commit is noted, and told to the broker a few times a second and before the consumer stops. What comes again after a crash or
    a rebalance is known to the inbox; told late, in a new generation of the group, it would only make the group begin anew.
    """

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._unsure = False  # positions may be ahead of what has been handed out
        self._aside: set[TopicPartition] = set()
        self._handed: dict[TopicPartition, int] = {}  # a batch was handed out until there, and is neither committed nor sought back
        self._noted: dict[TopicPartition, int] = {}  # committed, and the broker does not know it yet
        self._under: Any = None  # the assignment for which both hold
        self._batch = (float("-inf"), 0)  # when the last one was handed out, and of how many records
        self._told = float("-inf")
        self._telling: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def open(self) -> set[TopicPartition]:
        """Partitions of which a batch was handed out whose commit the broker does not know: the watchdog asks."""
        return self._handed.keys() | self._noted.keys()

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord[Any, Any]]]:
        await linger(*self._batch)
        self._batch = (float("-inf"), 0)
        if not self._aside:  # what is set aside is looked at between two polls
            timeout_ms = max(timeout_ms, round(WAIT_SECONDS * 1000))
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
        self._forget_others()
        try:
            for partition in tuple(self._aside):
                if records := await self._by_hand(partition, max_records or RECORDS):
                    found[partition] = records
        except Exception:
            self._unsure = True
            raise
        self._batch = (time.monotonic(), sum(map(len, found.values())))
        if self._under is self._assigned():
            self._handed |= {partition: records[-1].offset + 1 for partition, records in found.items()}
        return found

    async def commit(self, offsets: Any = None) -> None:
        """Of everything that was handed out. It does not wait for the broker, which hears of the next ones at the same time."""
        if offsets is not None:
            raise NotImplementedError("what was handed out is committed as a whole")
        self._forget_others()
        self._noted |= self._handed
        self._handed = {}
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_soon())

    async def _tell_soon(self) -> None:
        pause = self._told + COMMIT_SECONDS - time.monotonic()
        while self._noted:
            await asyncio.sleep(max(pause, 0))
            try:
                await self._tell()
            except KafkaError as reason:  # the group is being balanced anew, or the broker is away
                logs.get("consumer").warning("commit.waits", error=type(reason).__name__)
            pause = COMMIT_SECONDS

    async def _tell(self) -> None:
        async with self._one_at_a_time:
            self._forget_others()
            if not self._noted or self._subscription.reassignment_in_progress:
                return
            self._told, telling = time.monotonic(), dict(self._noted)
            await super().commit(telling)
            self._noted = {partition: offset for partition, offset in self._noted.items() if telling.get(partition) != offset}

    def _assigned(self) -> Any:
        subscription = self._subscription.subscription
        return subscription.assignment if subscription is not None else None

    def _forget_others(self) -> None:
        """What was handed out under an assignment that is over comes again, here or elsewhere: none of it is committed any more."""
        if self._under is not self._assigned():
            self._under, self._handed, self._noted = self._assigned(), {}, {}

    async def stop(self) -> None:
        """What was committed does not come again after a clean stop."""
        try:
            if self._telling is not None:
                self._telling.cancel()
                await asyncio.wait([self._telling])
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._tell()
        finally:
            await super().stop()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._handed.pop(partition, None)
        if self._noted.get(partition, 0) > offset:
            del self._noted[partition]
        super().seek(partition, offset)

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
        with contextlib.suppress(KafkaError):  # what is not told is read again
            await self._tell()
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
