"""Readings that thermometers might have sent: for a stream that has no devices yet."""

import json
import math
import random
from datetime import datetime, timedelta

# How often a device sends, and for how long back.
_EVERY, _READINGS = timedelta(seconds=10), 12


def simulate(sensors: int, until: datetime) -> list[tuple[str, str]]:
    """What so many sensors have sent in the two minutes before a time: (sensor, record), in the order of their times.

    A sensor has its own mean, a day with a warm afternoon, and noise. The same time gives the same records.
    """
    records = []
    for step in range(_READINGS, 0, -1):
        time = until - step * _EVERY
        for number in range(1, sensors + 1):
            sensor = f"simulated-{number}"
            chance = random.Random(f"{sensor} {time.isoformat()}")  # repeatable  # nosec B311
            mean = random.Random(sensor).uniform(12, 24)  # likewise  # nosec B311
            hour = time.hour + time.minute / 60
            temperature = mean + 5 * math.sin((hour - 9) / 24 * 2 * math.pi) + chance.gauss(0, 0.3)
            reading = {"sensor": sensor, "time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "temperature": round(temperature, 2)}
            records.append((sensor, json.dumps(reading, separators=(",", ":"))))
    return records
