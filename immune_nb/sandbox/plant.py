"""The plant: 16 machines and their sensors, as tables.

Everything here is fixed; what the sensors measure is in `signals`. A few sensors are special on purpose:
``vib_001`` and ``temp_001`` sit on the bearing that wears out, ``vib_002`` reports every ten seconds and never
misses, ``hum_002`` went offline three weeks ago, ``press_003`` reports an error, three report off the whole minute,
and ``pump_001`` names both a machine and a flow sensor, as it does in the documentation (api-contract 1.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["MACHINES", "QUALITIES", "RANKS", "SENSORS", "Machine", "Sensor", "Trait"]

QUALITIES: Final = ("good", "questionable", "bad")


@dataclass(frozen=True)
class Trait:
    """How one type of sensor behaves.

    Attributes:
        name: The word in a sensor's ``type`` field.
        stem: What its ids begin with. Clients must not read meaning from it.
        unit: As the API says.
        base: Typical value.
        gain: Relative change from an idle to a fully loaded machine.
        daily: Amplitude of the day's cycle.
        sigma: Standard deviation of the noise.
        limits: Least and greatest plausible value.
        warning: Above this the platform warns.
        critical: Above this it calls for a stop.
    """

    name: str
    stem: str
    unit: str
    base: float
    gain: float
    daily: float
    sigma: float
    limits: tuple[float, float]
    warning: float
    critical: float


@dataclass(frozen=True)
class Machine:
    """One piece of equipment."""

    id: str
    name: str
    type: str
    area: str
    installed_at: str
    traits: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """The machine as ``GET /equipment`` lists it (assumed, api-contract 1.8)."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "location": self.area,
            "installed_at": self.installed_at,
            "sensor_ids": [s.id for s in SENSORS if s.machine.id == self.id],
        }


@dataclass(frozen=True)
class Sensor:
    """One sensor.

    Attributes:
        interval: Seconds between readings.
        offset: Seconds after the interval's start at which it reports.
        gaps: How often it goes missing, relative to an average sensor.
    """

    id: str
    name: str
    machine: Machine
    trait: Trait
    status: str
    interval: int
    offset: int
    gaps: float

    def record(self) -> dict[str, object]:
        """The sensor as ``GET /sensors`` lists it; all but ``id`` and ``status`` is our invention (1.2)."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.trait.name,
            "unit": self.trait.unit,
            "equipment_id": self.machine.id,
            "status": self.status,
            "location": self.machine.area,
            "sampling_interval_s": self.interval,
            "min_value": self.trait.limits[0],
            "max_value": self.trait.limits[1],
            "warning_limit": self.trait.warning,
            "critical_limit": self.trait.critical,
            "installed_at": self.machine.installed_at,
        }


TRAITS: Final[Mapping[str, Trait]] = MappingProxyType(
    {
        "vibration": Trait("vibration", "vib", "mm/s", 2.1, 0.3, 0.05, 0.12, (0, 50), 4.5, 7.1),
        "temperature": Trait("temperature", "temp", "°C", 52, 0.25, 2.5, 0.4, (-40, 250), 85, 95),
        "pressure": Trait("pressure", "press", "PSI", 87, 0.12, 0.6, 0.9, (0, 300), 120, 140),
        "hydraulics": Trait("pressure", "press", "MPa", 1.6, 0.1, 0.01, 0.015, (0, 10), 2.4, 2.9),
        "flow": Trait("flow", "flow", "m³/h", 118, 0.5, 1.5, 1.8, (0, 400), 220, 260),
        "current": Trait("current", "curr", "A", 41, 0.6, 0.4, 0.7, (0, 200), 75, 90),
        "humidity": Trait("humidity", "hum", "%", 46, 0.02, 7, 0.9, (0, 100), 75, 90),
    }
)


def _machines() -> Iterator[Machine]:
    """The table of machines, spelled out once."""
    pump = ("vibration", "temperature", "hydraulics", "flow", "current")
    compressor = ("vibration", "temperature", "temperature", "pressure", "current")
    motor = ("vibration", "temperature", "current")
    fan = ("vibration", "current", "humidity", "flow")
    gearbox = ("vibration", "vibration", "temperature", "temperature")
    chiller = ("temperature", "pressure", "flow", "humidity", "current")
    rows = (
        ("pump_001", "Feed pump 1", "pump", "Hall A", pump),
        ("pump_002", "Feed pump 2", "pump", "Hall A", pump),
        ("pump_003", "Cooling water pump", "pump", "Utilities", pump),
        ("pump_004", "Condensate pump", "pump", "Utilities", pump),
        ("comp_001", "Air compressor 1", "compressor", "Utilities", compressor),
        ("comp_002", "Air compressor 2", "compressor", "Utilities", compressor),
        ("comp_003", "Nitrogen compressor", "compressor", "Hall B", compressor),
        ("motor_001", "Mixer drive", "motor", "Hall A", motor),
        ("motor_002", "Extruder drive", "motor", "Hall B", motor),
        ("motor_003", "Conveyor drive", "motor", "Hall B", motor),
        ("fan_001", "Exhaust fan", "fan", "Hall A", fan),
        ("fan_002", "Supply fan", "fan", "Hall B", fan),
        ("fan_003", "Cooling tower fan", "fan", "Roof", fan),
        ("gear_001", "Extruder gearbox", "gearbox", "Hall B", gearbox),
        ("chill_001", "Chiller", "chiller", "Roof", chiller),
        ("mill_001", "Ball mill", "mill", "Hall A", motor),
    )
    for place, (key, name, kind, area, traits) in enumerate(rows):
        installed = f"20{14 + place % 9}-{1 + place * 5 % 12:02d}-{1 + place * 11 % 28:02d}T08:00:00Z"
        yield Machine(key, name, kind, area, installed, traits)


def _sensor(key: str, machine: Machine, trait: Trait) -> Sensor:
    """One sensor with whatever makes it special."""
    status = {"hum_002": "offline", "press_003": "error"}.get(key, "online")
    offset = {"temp_003": 15, "curr_005": 30, "flow_002": 42}.get(key, 0)
    gaps = {"vib_001": 0.0, "temp_001": 0.0, "vib_002": -1.0, "press_003": 4.0}.get(key, 1.0)
    interval = 10 if key == "vib_002" else 60
    return Sensor(key, f"{machine.name} {trait.name}", machine, trait, status, interval, offset, gaps)


def _sensors(machines: tuple[Machine, ...]) -> Iterator[Sensor]:
    """Number each type through the plant, except the one flow sensor that is called like its machine."""
    numbers: Counter[str] = Counter()
    for machine in machines:
        for name in machine.traits:
            trait = TRAITS[name]
            if (machine.id, name) == ("pump_001", "flow"):
                yield _sensor("pump_001", machine, trait)
                continue
            numbers[trait.stem] += 1
            yield _sensor(f"{trait.stem}_{numbers[trait.stem]:03d}", machine, trait)


MACHINES: Final = tuple(_machines())
# Sorted by id, so that a sensor's place here, its *rank*, orders readings of the same instant.
SENSORS: Final = tuple(sorted(_sensors(MACHINES), key=lambda sensor: sensor.id))
RANKS: Final[Mapping[str, int]] = MappingProxyType({sensor.id: rank for rank, sensor in enumerate(SENSORS)})
