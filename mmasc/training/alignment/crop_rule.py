"""How crops are prepared for teachers: numbers alone, no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CropRule:
    """How crops are made; shares are probabilities.

    Attributes:
        seconds: Length of a crop.
        each: Crops of every row of a table.
        speed_share: Share played at another speed, with its pitch, as on a tape.
        loop_share: Share of the recordings shorter than a crop: repeated with gaps instead of padded at the end.
        mix_share: Share with a second sound of the same table.
        mix_decibels: The second is 0 to this much below the first; its weight in the target is 0.5, 0.35 or 0.2 in
            the three thirds of that range.
        filter_share: Share with a random filter, linear in decibels between a few bands.
        filter_decibels: Largest boost and cut of it.
        lowpass_share: Share with nothing above a random frequency of 3 to 12 kHz.
    """

    seconds: float = 3.36
    each: int = 8
    speed_share: float = 0.5
    loop_share: float = 0.5
    mix_share: float = 0.4
    mix_decibels: float = 18.0
    filter_share: float = 0.5
    filter_decibels: float = 6.0
    lowpass_share: float = 0.15

    def __post_init__(self) -> None:
        if self.each < 1 or not self.seconds >= 0.5:
            raise ValueError(f"each must be at least 1 and seconds at least 0.5, got {self.each} and {self.seconds}")
