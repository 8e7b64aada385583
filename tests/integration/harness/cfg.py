"""Python values as libconfig text, so that a test states its configuration as a dictionary.

A dict is a group, a list of dicts a list of groups, another list an array. `Raw` is taken as it is, for
what must be wrong on purpose.
"""


class Raw(str):
    """Text that goes into the file unchanged."""


def _text(value):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def value_text(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0") + ("0" if value == int(value) else "")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return "{ " + " ".join(f"{k} = {value_text(v)};" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], dict):
            return "(\n  " + ",\n  ".join(value_text(v) for v in value) + "\n)"
        return "[ " + ", ".join(value_text(v) for v in value) + " ]"
    raise TypeError(f"no libconfig form for {value!r}")


def config_text(settings):
    """A whole file; a setting whose value is None is left out."""
    return "".join(f"{k} = {value_text(v)};\n" for k, v in settings.items() if v is not None)
