"""The documentation of every setting, made from their declarations."""

from settings import GROUPS, Settings
from settings.declared import Group, table


def markdown() -> str:
    """The documentation of every setting, as the committed `docs/settings.md`."""
    lines = [
        "# Settings",
        "",
        "Made from the code by `python -m settings`; edit `settings/`, not this page. All settings come from the",
        "environment. One that is set but empty counts as unset. A missing or malformed one stops the start of every",
        "process with its name, the reason and an example; values are never printed.",
        "",
        "Keys and secrets may be lists for rotation, newest first, separated by commas. An entry may carry a window,",
        "`value@not_before/not_after`, in ISO dates (whole days, UTC) or moments; either may be empty. Write `,`, `@`",
        "and `%` inside a value as `%2C`, `%40` and `%25`.",
        "",
        "`RECEIVER_RATE_PER_SOURCE` and `IBEX_SOURCE_ADDRESSES` go by the address that opened the connection. Where",
        "that is one of `TRUSTED_PROXIES`, they go by the last in `X-Forwarded-For` that is none of them; what the",
        "sender wrote there stands further left and counts for nothing. No other forwarding header is believed.",
    ]
    groups: list[type[Group]] = [Settings, *(group for _, group in GROUPS)]
    for group in groups:
        lines += ["", f"## {(group.__doc__ or '').splitlines()[0]}", "", "| setting | says | default | example |"]
        lines.append("|--|--|--|--|")
        for _, setting in table(group):
            default = f"`{setting.default}`" if setting.default else "**required**" if setting.required else "unset"
            lines.append(f"| `{setting.name}` | {setting.says} | {default} | `{setting.example}` |")
    return "\n".join(lines) + "\n"
