"""Relations and discontinuous entities of a corpus, counted."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..span_groups import FRAGMENTS, RELATIONS

# Start and end token, and label.
PlaceT = Tuple[int, int, str]


@dataclass
class LinkStatistics:
    """What the relations and the discontinuous entities of a corpus are.

    ends (Dict[str, Counter]): By label, how often it links which labels of spans.
    distances (Dict[str, List[int]]): By label, the tokens between both spans.
    forward (Counter): By label, from a span to one that begins later.
    both (Counter): By label, relations whose opposite is there too.
    unusable (Counter): Relations that cannot be learned, by reason.
    pieces (Counter): Discontinuous entities, by the number of their pieces.
    shared (int): Those of them that share a piece with another one.
    """

    ends: Dict[str, Counter] = field(default_factory=dict)
    distances: Dict[str, List[int]] = field(default_factory=dict)
    forward: Counter = field(default_factory=Counter)
    both: Counter = field(default_factory=Counter)
    unusable: Counter = field(default_factory=Counter)
    pieces: Counter = field(default_factory=Counter)
    shared: int = 0

    def add(self, spans: Sequence[PlaceT], attrs: Mapping[str, Any]) -> None:
        """Count those of a group.

        spans (Sequence[PlaceT]): The spans of the group.
        attrs (Mapping[str, Any]): Its attributes.
        """
        fragments = [tuple(row) for row in attrs.get(FRAGMENTS) or ()]
        uses = Counter(place for row in fragments for place in row)
        self.pieces.update(map(len, fragments))
        self.shared += sum(any(uses[x] > 1 for x in row) for row in fragments)
        rows = set()
        for head, tail, label in attrs.get(RELATIONS) or ():
            if not (0 <= head < len(spans) and 0 <= tail < len(spans)):
                self.unusable["of a span that is not there"] += 1
            elif spans[head] == spans[tail]:
                self.unusable["of a span with itself"] += 1
            elif (spans[head], spans[tail], label) in rows:
                self.unusable["the same relation twice"] += 1
            else:
                rows.add((spans[head], spans[tail], label))
        for first, second, label in rows:
            own = self.ends.setdefault(label, Counter())
            own[first[2], second[2]] += 1
            gap = max(first[0], second[0]) - min(first[1], second[1])
            self.distances.setdefault(label, []).append(max(gap, 0))
            self.forward[label] += first[0] < second[0]
            self.both[label] += (second, first, label) in rows

    def summary(self) -> Dict[str, Any]:
        """What JSON can hold.

        RETURNS (Dict[str, Any]): "relations", by label: "count", "median_distance" and
            "max_distance" in tokens, "forward" and "both_directions", shares, and
            "ends", the number of each pair of labels; "unusable", by reason;
            "discontinuous": "count", "pieces" (how many have 2, 3, ... pieces) and
            "sharing_a_piece".
        """
        return {
            "relations": {
                label: {
                    "count": len(distances),
                    "median_distance": median(distances),
                    "max_distance": max(distances),
                    "forward": self.forward[label] / len(distances),
                    "both_directions": self.both[label] / len(distances),
                    "ends": {
                        f"{head} > {tail}": n
                        for (head, tail), n in self.ends[label].most_common()
                    },
                }
                for label, distances in sorted(self.distances.items())
            },
            "unusable": dict(self.unusable),
            "discontinuous": {
                "count": sum(self.pieces.values()),
                "pieces": {str(n): self.pieces[n] for n in sorted(self.pieces)},
                "sharing_a_piece": self.shared,
            },
        }
