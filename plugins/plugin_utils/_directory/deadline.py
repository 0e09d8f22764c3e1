# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of a library that may not return, each waited for so long and no longer."""

from __future__ import annotations

import collections.abc as c
import queue
import threading
import typing as t


class DeadlineExceededError(Exception):
    """A call did not return in time."""


class Deadline:
    """Makes calls in threads of their own.

    A call that is overdue is abandoned: it may still be at work, with what it was given.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_over = False

    def call(self, function: c.Callable[..., t.Any], *args: t.Any, **options: t.Any) -> t.Any:
        """What the function returns or raises.

        Raises DeadlineExceededError when it does neither in time, or an earlier call did not.
        """
        if self.is_over:
            raise DeadlineExceededError
        answers: queue.SimpleQueue[tuple[t.Any, BaseException | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                answers.put((function(*args, **options), None))
            except BaseException as exc:
                answers.put((None, exc))

        threading.Thread(target=work, daemon=True).start()
        try:
            result, problem = answers.get(timeout=self.seconds)
        except queue.Empty:
            self.is_over = True
            raise DeadlineExceededError from None
        if problem:
            raise problem
        return result
