"""Which partitions does the relay wait for no longer, which rows wait for each of them, and when is it read again?"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from aiokafka import TopicPartition

Until = Callable[[], Awaitable[bool]]


class Aside:
    """Partitions that are set aside, each with the rows that are under way there or were passed over since."""

    def __init__(self, bell: asyncio.Event) -> None:
        self.bell = bell
        self._rows: dict[TopicPartition, set[int]] = {}
        self._waiting: set[asyncio.Task[None]] = set()

    def __contains__(self, place: TopicPartition) -> bool:
        return place in self._rows

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(self._rows)

    @property
    def rows(self) -> list[int]:
        return [row for rows in self._rows.values() for row in rows]

    def put(self, place: TopicPartition, until: Until, rows: Iterable[int] = ()) -> None:
        """Until that returns. When it returns False the partition stays aside, until `clear`."""
        waiting = self._rows[place] = set(rows)
        task = asyncio.create_task(self._return(place, waiting, until))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def pass_over(self, place: TopicPartition, rows: Iterable[int]) -> None:
        self._rows[place].update(rows)

    def clear(self) -> None:
        """Every partition is read again; whoever waited for one does so no longer."""
        for task in self._waiting:
            task.cancel()
        self._rows = {}

    async def _return(self, place: TopicPartition, rows: set[int], until: Until) -> None:
        """It is read again from the first row that was passed over."""
        if await until() and self._rows.get(place) is rows:
            del self._rows[place]
            self.bell.set()
