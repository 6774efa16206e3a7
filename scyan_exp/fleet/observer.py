"""Observers are told how the jobs fare: the table and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from scyan_exp.fleet.state import JobState


class Observer:
    """Is told about each job; an observer overrides the methods that it needs."""

    def began(self, state: JobState) -> None:
        """A job has started."""

    def retried(self, state: JobState) -> None:
        """An attempt at a job has failed; another one follows."""

    def ended(self, state: JobState) -> None:
        """A job has ended, now or before this sweep was resumed."""

    def note(self, text: str) -> None:
        """Something that people should read."""

    def tick(self, n_running: int) -> None:
        """A second has passed, or a job has ended."""


class Observers(Observer):
    """Several observers, told one after the other."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def began(self, state: JobState) -> None:
        """Tell each that a job has been started."""
        for one in self._observers:
            one.began(state)

    def retried(self, state: JobState) -> None:
        """Tell each that another attempt follows."""
        for one in self._observers:
            one.retried(state)

    def ended(self, state: JobState) -> None:
        """Tell each that a job has ended."""
        for one in self._observers:
            one.ended(state)

    def note(self, text: str) -> None:
        """Hand each the text."""
        for one in self._observers:
            one.note(text)

    def tick(self, n_running: int) -> None:
        """Tell each how many jobs run."""
        for one in self._observers:
            one.tick(n_running)
