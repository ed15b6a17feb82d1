"""Kafka's broker for tests, as a program: the one inside librdkafka, which speaks the protocol and keeps nothing.

Arguments: the port that it says it has, for clients go where they are told, or 0 for its own; topics.  It prints the
port that it really has.  Each line on standard input is an order, answered by a line: ``errors CODE COUNT`` lets it
answer so to that many requests to produce, ``errors`` to no more; ``delay MILLISECONDS`` lets it answer so late; it
ends with its input.

Facts that shaped it:

* confluent-kafka starts such a broker if its configuration says so, but leaves out the functions that change it; they
  are in the library that its wheel brings.
* A cluster belongs to a client, which needs no broker.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

PRODUCE = 0
_PRODUCER = 0
_ONLY = 1
_PARTITIONS = 4


def library() -> ctypes.CDLL:
    """Load librdkafka."""
    spec = find_spec("confluent_kafka")
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.parent.glob("confluent_kafka.libs/librdkafka*.so*")
    loaded = ctypes.CDLL(str(path))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_broker_set_host_port", number, [pointer, ctypes.c_int32, text, number]),
        ("rd_kafka_mock_broker_set_rtt", number, [pointer, ctypes.c_int32, number]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_clear_request_errors", None, [pointer, ctypes.c_int16]),
        (
            "rd_kafka_mock_push_request_errors_array",
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)],
        ),
    ):
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def main() -> None:
    """Run the broker."""
    kafka = library()
    said = ctypes.create_string_buffer(512)
    settings = kafka.rd_kafka_conf_new()
    kafka.rd_kafka_conf_set(settings, b"log_level", b"0", said, len(said))
    client = kafka.rd_kafka_new(_PRODUCER, settings, said, len(said))
    cluster = kafka.rd_kafka_mock_cluster_new(client, 1)
    if int(sys.argv[1]):
        kafka.rd_kafka_mock_broker_set_host_port(cluster, _ONLY, b"127.0.0.1", int(sys.argv[1]))
    for topic in sys.argv[2:]:
        kafka.rd_kafka_mock_topic_create(cluster, topic.encode(), _PARTITIONS, 1)
    print(kafka.rd_kafka_mock_cluster_bootstraps(cluster).decode().rpartition(":")[2], flush=True)
    for line in sys.stdin:
        match line.split():
            case ["errors"]:
                kafka.rd_kafka_mock_clear_request_errors(cluster, PRODUCE)
            case ["errors", code, count]:
                errors = (ctypes.c_int * int(count))(*[int(code)] * int(count))
                kafka.rd_kafka_mock_push_request_errors_array(cluster, PRODUCE, int(count), errors)
            case ["delay", milliseconds]:
                kafka.rd_kafka_mock_broker_set_rtt(cluster, _ONLY, int(milliseconds))
        print("done", flush=True)


if __name__ == "__main__":
    main()
