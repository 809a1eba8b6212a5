"""The worker: a Faust app wired to the engine. Everything is built here, nothing at import.

poll thread -> batches -> CustomerEvents channel -> agent -> engine -> transactions -> store
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import faust
import structlog
from faust.app import BootStrategy

from stream import __version__
from stream.app.clock import now_ms
from stream.app.crash_points import crash_point_from
from stream.app.data_dir import DataDir
from stream.app.events import CustomerEvents, Feed
from stream.app.http import add_routes
from stream.app.logs import set_up_logs
from stream.app.progress import RestoreProgress
from stream.app.status import EngineStatus
from stream.codec.snapshot import SNAPSHOT_VERSION
from stream.config import Settings
from stream.core.program import Program
from stream.engine.engine import Engine, EngineSettings, Outside
from stream.engine.observer import Observer, Observers
from stream.engine.restore import Beginning, Restorer
from stream.engine.task import TaskSettings
from stream.errors import StartRefused
from stream.kafka.changelog import KafkaChangelogReader
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.source import KafkaSource
from stream.kafka.topics import TopicAdmin
from stream.kafka.transactions import KafkaTransactions
from stream.metrics import Metrics
from stream.rules.compile import CompiledProgram
from stream.store.rocks import RocksStores

log = structlog.get_logger()

CRASH_VARIABLE = "SEGMENTER_CRASH_AT"


class NoKafkaDrivers(BootStrategy):  # type: ignore[misc]
    """Faust without its own consumer, producer, conductor and table recovery: the channel feeds itself."""

    enable_kafka = False


class SegmenterApp(faust.App):  # type: ignore[misc]
    BootStrategy = NoKafkaDrivers
