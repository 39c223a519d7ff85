"""Saving and loading a component: settings, weights, and checksums of both."""

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Union

import srsly
from spacy import util
from spacy.pipeline import TrainablePipe

from ..errors import Errors
from .checksums import (
    CHECKSUMS,
    CONFIGURED,
    all_checksums,
    changed_setting,
    checksum,
)
from .settings import check_labels, merge_saved


class SavedPipe(TrainablePipe):
    """A component whose settings are saved with its weights.

    cfg (Settings): The settings and the state.
    """

    cfg: Dict[str, Any]
    # The settings that the config has.
    _configured: Dict[str, Any]

    def _build(self, width: int) -> None:
        """Build the head that the weights go into, as the settings say.

        width (int): Width of the hidden states.
        """
        raise NotImplementedError

    def _before_saving(self) -> None:
        """Called before the component is saved."""

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the component.

        exclude (Iterable[str]): Fields to leave out: "cfg", "vocab", "model".
        RETURNS (bytes): The serialized component.
        """
        self._before_saving()
        parts = {
            "vocab": lambda: self.vocab.to_bytes(exclude=exclude),
            "model": self.model.to_bytes,
        }
        data = {name: dump() for name, dump in parts.items() if name not in exclude}
        data["cfg"] = self._dump_cfg(data)
        return util.to_bytes({name: partial(data.get, name) for name in data}, exclude)

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "SavedPipe":
        """Load the component.

        bytes_data (bytes): From `to_bytes`.
        exclude (Iterable[str]): Fields to leave out.
        RETURNS (SavedPipe): The component itself.
        """
        place = "the bytes"
        try:
            found = srsly.msgpack_loads(bytes_data)
            wanted = {"cfg", "model"} - {*exclude}
            if not wanted <= found.keys():
                raise ValueError(f"there is no {', '.join(wanted - found.keys())}")
        except Exception as error:
            message = Errors.E007.format(name=self.name, reason=f"{place}, {error!r}")
            raise ValueError(message) from error
        checksums: Dict[str, Any] = {}

        def load_cfg(data: Any) -> None:
            checksums.update(self._load_cfg(data, f"'cfg' in {place}"))
            missing = checksums.keys() - {*found, *exclude, "settings", CHECKSUMS}
            for part in missing:
                self._check(b"", checksums, part, place)

        def load_vocab(data: Any) -> None:
            self._check(data, checksums, "vocab", place)
            self.vocab.from_bytes(data, exclude=exclude)

        def load_model(data: Any) -> None:
            self._load_weights(data, checksums, f"'model' in {place}")

        fields = {"cfg": load_cfg, "vocab": load_vocab, "model": load_model}
        util.from_dict(found, fields, exclude)
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component.

        path (Union[str, Path]): A folder.
        exclude (Iterable[str]): Fields to leave out: "cfg", "vocab", "model".
        """
        self._before_saving()
        data = {} if "model" in exclude else {"model": self.model.to_bytes()}
        fields = {
            "cfg": lambda p: p.write_bytes(self._dump_cfg(data)),
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
            "model": lambda p: p.write_bytes(data["model"]),
        }
        util.to_disk(path, fields, exclude)

    def from_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = ()
    ) -> "SavedPipe":
        """Load the component.

        path (Union[str, Path]): A folder.
        exclude (Iterable[str]): Fields to leave out.
        RETURNS (SavedPipe): The component itself.
        """
        checksums: Dict[str, Any] = {}
        fields = {
            "cfg": lambda p: checksums.update(self._load_cfg(self._read(p), p)),
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
            "model": lambda p: self._load_weights(self._read(p), checksums, p),
        }
        util.from_disk(path, fields, exclude)
        return self

    def _dump_cfg(self, data: Mapping[str, bytes]) -> bytes:
        """The settings, with the checksums of all that is saved.

        data (Mapping[str, bytes]): What is saved beside them, by field.
        """
        # Not with srsly, which does not give every float back as it was.
        saved = {**self.cfg, CONFIGURED: dict(self._configured)}
        saved[CHECKSUMS] = all_checksums(saved, data)
        return json.dumps(saved, indent=2).encode("utf8")

    def _load_cfg(self, data: bytes, place: Union[str, Path]) -> Dict[str, Any]:
        """Take over settings, and build the head that the weights go into.

        data (bytes): The settings.
        place (Union[str, Path]): Where they are.
        RETURNS (Dict[str, Any]): The checksums of what was saved.
        """
        try:
            saved = json.loads(data)
            changed = changed_setting(saved)
            checksums: Dict[str, Any] = saved.pop(CHECKSUMS, {})
            cfg = merge_saved(self._configured, saved)
            width, _ = cfg["width"], cfg["labels"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"{place}, {error!r}"
            message = Errors.E007.format(name=self.name, reason=reason)
            raise ValueError(message) from error
        try:
            check_labels(cfg, self.name)
            # What is not allowed is said first, before anything is taken over.
            copy.copy(self.cfg).update(cfg)
        except ValueError as error:
            message = f"Component '{self.name}', {place}: {error}"
            raise ValueError(message) from error
        if changed is not None:
            self._fail_damaged(place, changed)
        self.cfg.update(cfg)
        if width is not None:
            self._build(width)
        return checksums

    def _load_weights(
        self, data: bytes, checksums: Mapping[str, Any], place: Union[str, Path]
    ) -> None:
        self._check(data, checksums, "model", place)
        try:
            self.model.from_bytes(data)
        except Exception as error:
            reason = f"{place}, {error}"
            message = Errors.E008.format(name=self.name, reason=reason)
            raise ValueError(message) from error

    def _check(
        self,
        data: Any,
        checksums: Mapping[str, Any],
        part: str,
        place: Union[str, Path],
    ) -> None:
        """Raise a ValueError if bytes have another checksum than those saved."""
        if part not in checksums:
            return
        if not isinstance(data, bytes) or checksum(data) != checksums[part]:
            self._fail_damaged(place, part)

    def _fail_damaged(self, place: Union[str, Path], part: str) -> None:
        message = Errors.E043.format(name=self.name, place=place, part=part)
        raise ValueError(message)

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            message = Errors.E007.format(name=self.name, reason=error)
            raise FileNotFoundError(message) from error
