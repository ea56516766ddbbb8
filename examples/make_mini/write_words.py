"""The words that the bundled encoder was trained with, as prompt files: mini-words and mini-strict-words.

    python examples/make_mini/write_words.py            # into prompts/
    python examples/make_mini/write_words.py --to FOLDER

The labels of the training recordings come from mmasc/encoders/weights/mini_attribution.csv; their groups, and which of
them say the same, are below. Every label of the table must stand in exactly one place here, and nothing else may.
"""

import argparse
import csv
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ATTRIBUTION = ROOT / "mmasc" / "encoders" / "weights" / "mini_attribution.csv"
_ESC10 = "karolpiczak/ESC-10"

# Group → one line per label: its phrases, divided by ";". The first one is the label.
GROUPS = {
    "birds": """
        bird singing; birds singing; bird calling
        canary singing
        chick chirping
        chicken clucking
        crow cawing; crows cawing
        duck quacking
        goose honking
        loon calling
        owl hooting
        parrot chirping
        parrot squawking
        parrot whistling
        peacock calling
        penguin calling
        pigeon cooing
        quail calling
        rooster crowing; rooster
        seagull calling; seagulls calling
        swan calling
        toucan calling
        turkey gobbling
        woodpecker pecking a tree
    """,
    "pets and farm animals": """
        camel grunting
        cat meowing
        cat purring
        cow mooing; cows mooing
        dog barking; puppy barking
        goat bleating
        guinea pig squeaking
        horse galloping
        horse neighing
        horse snorting
        pig oinking
        pig squealing
        sheep bleating; lamb bleating
    """,
    "wild animals": """
        bat squeaking
        bear growling
        coyote howling
        dolphin clicking
        dolphin whistling
        elephant trumpeting
        giraffe humming
        gorilla grunting
        gorilla roaring
        gorilla snarling
        hyena calling
        jaguar growling
        leopard growling
        leopard roaring
        leopard snarling
        leopard snorting
        lion growling
        lion roaring
        monkeys screaming
        raccoon chattering
        rat squeaking
        sea lion barking
        squirrel chattering
        tiger roaring
        tiger snarling
        whale song
        wolf howling
        wolf snarling
        zebra braying
    """,
    "insects, frogs and snakes": """
        bee buzzing; bumblebee buzzing
        swarm of bees buzzing; bees buzzing in a beehive
        cicadas chirping
        cobra hissing
        cricket chirping; crickets chirping
        frog croaking; frogs croaking
        grasshopper chirping
        rattlesnake rattling
    """,
    "weather": """
        rain; rain falling; light rain
        heavy rain
        rain on a car roof
        rain on a tent
        rain on a window
        rain on an umbrella
        rain on leaves
        thunder; thunder rumbling; thunderstorm
        wind blowing; howling wind
        wind in the trees; leaves rustling
    """,
    "water": """
        bubbles in water
        breaking ice
        river flowing; stream flowing
        rowing a boat
        sea waves
        splash in water
        underwater ambience
        water boiling
        water dripping in a cave
        water droplets dripping
        waterfall
    """,
    "fire and explosions": """
        distant explosion
        electric sparks crackling
        explosion
        fire crackling; campfire crackling; fire burning
        firecracker exploding
        fireworks exploding
        fuse burning
        lighting a match
    """,
    "weapons": """
        automatic rifle gunfire
        bullet ricochet
        cocking a pistol
        cocking a rifle
        pistol shot
        pumping a shotgun
        reloading a pistol
        rifle shot
        shotgun shot
        whip cracking
    """,
    "people": """
        audience applauding
        biting into an apple
        children in a school yard; children playing in a playground
        crowd of people talking
        crying baby
        evil laughter
        people screaming on a roller coaster
        people talking in a cafe
        person burping
        person sneezing
        person vomiting
        sports crowd cheering
    """,
    "footsteps": """
        footstep in snow; walking in snow
        footstep in water
        footstep on grass
        footstep on gravel; walking on gravel
        footstep on metal
        footstep on sand
        footstep on stone
        walking on dry leaves
    """,
    "vehicles": """
        bicycle wheel spokes clicking
        bus starting and driving away
        car engine idling
        car engine running
        cars passing on a road; busy road traffic; highway traffic
        city traffic
        helicopter; helicopter flying
        inside a moving train
        inside a submarine
        inside an airplane cabin
        jet engine noise
        jet plane flying by
        jet plane landing
        jet plane taking off
        motorcycle engine idling
        pneumatic brakes hissing
        propeller airplane engine
        propeller airplane starting its engine
        roller coaster chain lift
        roller coaster roaring past
        sailing boat creaking on the water
        steam train departing with a whistle
        subway train departing
        train passing by
        truck engine running
        truck engine starting and pulling away
        windshield wipers
    """,
    "signals": """
        ambulance siren
        bicycle bell ringing
        bicycle horn honking
        blowing a whistle
        car horn honking
        church bells ringing
        diesel train horn
        doorbell ringing
        factory whistle blowing
        ferry horn
        morse code beeps
        railway crossing bell
        ship horn
        train whistle blowing
    """,
    "machines and tools": """
        3D printer running
        air compressor motor running
        blacksmith hammering metal
        chainsaw
        chopping wood
        circular saw cutting wood
        crash
        digging in gravel
        elevator machinery
        jackhammer drilling
        laboratory equipment
        shears snipping
        slide projector clicking
        steam hissing
        tree creaking
        tree falling
    """,
    "home and office": """
        balloon popping
        brushing
        cash register
        ceiling fan spinning
        chalk screeching on a blackboard
        clock ticking; watch ticking
        clothes dryer running
        coins clinking
        door closing
        door creaking
        door opening
        erasing pencil on paper
        glass breaking
        inflating a balloon
        knocking on a door
        paper rustling
        squeaky toy
        toilet flushing
        typing on a computer keyboard
        typing on a typewriter
        washing machine running
        writing with a pencil
        writing with chalk on a blackboard
        zipper opening
    """,
    "places": """
        busy city street
        busy office
        carousel at a fairground
        construction site
        crowded bar
        inside a church
        jungle with birds and insects
        laundry room
        quiet library
        restaurant with people dining
        subway station
        supermarket
        temple
        village at night
    """,
    "music and noise": """
        brown noise
        piano music
        pink noise
        rubbing a wine glass
        singing bowl ringing
        tuning a radio
        vinyl record crackle
        white noise
        wind chimes
    """,
}


def labels_by_group() -> dict[str, dict[str, list[str]]]:
    """Group → label → phrases, as they stand above."""
    return {
        group: {phrases[0]: phrases for line in lines.split("\n") if (phrases := _phrases(line))}
        for group, lines in GROUPS.items()
    }


def _phrases(line: str) -> list[str]:
    return [phrase.strip() for phrase in line.split(";") if phrase.strip()]


def trained_labels(attribution: Path = ATTRIBUTION) -> tuple[set[str], set[str]]:
    """Labels of the recordings that `mini` was trained on, and those that `mini-strict` was: without ESC-10."""
    with attribution.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["label"] for row in rows}, {row["label"] for row in rows if row["collection"] != _ESC10}


def prompt_file(name: str, encoder: str, known: set[str]) -> str:
    """The text of a prompt file with the phrases that are known; a label whose first phrase is not is called by the
    next one."""
    groups = {
        group: [kept for phrases in labels.values() if (kept := [one for one in phrases if one in known])]
        for group, labels in labels_by_group().items()
    }
    n_labels = sum(map(len, groups.values()))
    lines = [
        "# Written by examples/make_mini/write_words.py",
        f"name: {name}",
        f"description: The words that {encoder} was trained with; {n_labels} labels in {len(groups)} groups",
        "groups:",
        *(f"  {group}:\n" + "\n".join(f"    - {one[0]}" for one in labels) for group, labels in groups.items()),
        "labels:",
    ]
    for group, labels in groups.items():
        lines.append(f"  # {group}")
        lines += [f"  {phrases[0]}: [{', '.join(phrases)}]" for phrases in labels]
    return "\n".join(lines) + "\n"


def prompt_files() -> dict[str, str]:
    """Name of the file → its text.

    Raises:
        ValueError: If a label of the table stands nowhere above or twice, or one stands above that is not in the table.
    """
    everything, strict = trained_labels()
    listed = [phrase for labels in labels_by_group().values() for phrases in labels.values() for phrase in phrases]
    wrong = sorted({one for one in listed if listed.count(one) > 1} | (set(listed) ^ everything))
    if wrong:
        raise ValueError(f"labels that do not stand exactly once in both places: {wrong}")
    return {
        "mini-words.yaml": prompt_file("mini-words", "mini", everything),
        "mini-strict-words.yaml": prompt_file("mini-strict-words", "mini-strict", strict),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=ROOT / "prompts", help="folder for the files")
    folder = parser.parse_args().to
    for name, text in prompt_files().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main()
