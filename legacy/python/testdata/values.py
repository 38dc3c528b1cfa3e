"""Values, as Python pickles them in every protocol, with what the client package says about each."""

import base64
import collections
import datetime
import decimal
import enum
import json
import pickle
import uuid
import zoneinfo

from crossfade import mapping
from crossfade.errors import NotJSON
from django.utils.safestring import SafeString


class Colour(enum.Enum):
    RED = 1


class Basket:
    def __init__(self):
        self.lines = [1, 2]


class Tags(list):
    pass


class Slots:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 5


twice = ["shared"]
VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    255,
    256,
    65535,
    65536,
    -70000,
    2**31 - 1,
    -(2**31),
    2**31,
    2**63,
    -(2**63),
    10**100,
    -(10**100),
    0.0,
    1.5,
    -2.5e300,
    1e16,
    5e-324,
    float("inf"),
    float("nan"),
    "",
    "a",
    "Zoë",
    "\U0001f600",
    "line\nbreak\\u0041",
    "\0",
    "\ud800",
    "x" * 300,
    "x" * 70000,
    b"",
    b"\x00\xff\n'\\",
    b"y" * 300,
    bytearray(b"ab"),
    bytearray(),
    [],
    [1, [2, [3]]],
    list(range(2000)),
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    {},
    {"a": 1},
    {"a": {"b": [None, True, 1.5, "x"]}},
    {1: "int key"},
    {"n": {2: 3}},
    {str(i): i for i in range(1500)},
    set(),
    {1, 2},
    frozenset({"a"}),
    frozenset(),
    {"both": [twice, twice]},
    datetime.datetime(2024, 1, 2, 3, 4, 5, 6),
    datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc),
    datetime.date(2024, 1, 2),
    datetime.time(3, 4),
    datetime.timedelta(days=1, seconds=2),
    decimal.Decimal("1.50"),
    uuid.UUID(int=7),
    zoneinfo.ZoneInfo("UTC"),
    collections.OrderedDict(a=1, b=2),
    SafeString("<b>"),
    complex(1, 2),
    [datetime.date(2024, 1, 2)],
    Colour.RED,
    Basket(),
    Tags([1]),
    Slots(),
    Basket,
    len,
    [{"deep": (Basket(),)}],
]

endless = []
endless.append(endless)

out = []
for value in VALUES:
    try:
        text, odd = mapping.encode(value), ""
    except NotJSON as problem:
        text, odd = None, problem.type
    for protocol in range(6):
        try:
            dumped = pickle.dumps(value, protocol)
        except (TypeError, RecursionError, pickle.PicklingError):
            continue  # some need protocol 2
        out.append(
            {
                "name": f"{ascii(value)[:40]} in protocol {protocol}",
                "pickle": base64.b64encode(dumped).decode(),
                "type": mapping.type_name(value),
                "odd": odd,
                "size": None if text is None else len(text.encode()),
                "json": text,
                "is_class": isinstance(value, type) or callable(value),
            }
        )
out.append(
    {
        "name": "a list in itself",
        "pickle": base64.b64encode(pickle.dumps(endless)).decode(),
        "type": "list",
        "odd": "*",
        "size": None,
        "json": None,
        "is_class": False,
    }
)
print(json.dumps(out))
