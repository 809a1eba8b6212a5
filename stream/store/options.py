"""How RocksDB is set up: many small values, read by key, one process, memory shared by all partitions."""

from __future__ import annotations

from dataclasses import dataclass

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager

COLUMN_FAMILIES = ("customers", "wakes", "meta")
MEMTABLE_SHARE = 4
"""A quarter of the memory may hold what is not yet flushed; it is charged to the same cache."""
WRITE_BUFFER_BYTES = 32 << 20
WAL_BYTES = 128 << 20
"""Opening replays at most this much, well under a second."""
OPEN_FILES = 256
"""Per partition; 16 partitions stay under the usual limit of a process with sockets to spare (the limit is 4,096+)."""
LOG_FILES = 2
LOG_BYTES = 1 << 20
BLOOM_BITS = 10


@dataclass(frozen=True, slots=True)
class Memory:
    """Block cache and write buffers that all partitions share."""

    cache: Cache
    buffers: WriteBufferManager

    @classmethod
    def of(cls, size_bytes: int) -> Memory:
        cache = Cache(size_bytes)
        buffers = WriteBufferManager.new_write_buffer_manager_with_cache(size_bytes // MEMTABLE_SHARE, False, cache)
        return cls(cache, buffers)


def database_options(memory: Memory) -> Options:
    options = _options(memory)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_write_buffer_manager(memory.buffers)
    options.set_max_total_wal_size(WAL_BYTES)
    options.set_max_open_files(OPEN_FILES)
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(LOG_FILES)
    options.set_max_log_file_size(LOG_BYTES)
    # A flush takes all column families together: a damaged WAL can't leave `meta` older than the customers.
    options.set_atomic_flush(True)
    return options


def column_families(memory: Memory) -> dict[str, Options]:
    return {name: _options(memory) for name in COLUMN_FAMILIES}


def _options(memory: Memory) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(memory.cache)
    table.set_bloom_filter(BLOOM_BITS, False)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_level_compaction_dynamic_level_bytes(True)
    return options
