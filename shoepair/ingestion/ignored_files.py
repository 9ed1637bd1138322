"""Which files of a batch are no photos and are ignored: what other programs leave, and documents. The only list.

System files are left by file managers, synchronisation and photo programs. Nobody put them there on purpose, so DVC
does not see them (`.dvcignore` has the same names, which a test compares), and no output depends on them. Documents
are a person's own: DVC records them, and they are counted in the manifest. `shoepair add` copies neither.

The names come from the `junk` package of npm, from `sync-exclude.lst` of Nextcloud's client, from GitHub's
`gitignore/Global`, and from the manuals of Syncthing, Dropbox, Synology, Lightroom and Google Takeout. No kept Python
package has such a list.
"""

from __future__ import annotations

import re
from fnmatch import translate
from pathlib import PurePath

from shoepair.data import naming

# Of a file or of a folder above it, in any case of letters; `?` stands for a character that programs replace.
SYSTEM_FILE_NAMES = (
    ".*",  # hidden: .DS_Store, ._*, .AppleDouble, .Trashes, .picasa.ini, .stfolder, .dropbox, .sync_*.db ...
    *("thumbs*.db", "ehthumbs*.db", "desktop*.ini", "picasa*.ini", "zbthumbnail.info", "*.jbf"),
    *("icon?", "__macosx", "network trash folder", "temporary items"),  # macOS; Icon ends in a carriage return
    *("$recycle.bin", "system volume information", "lost+found"),
    *("@eadir", "@recycle", "@recently-snapshot", "@__thumb", "@sharebin", "#recycle", "#snapshot"),  # Synology, QNAP
    *("?*?zone.identifier", "?*?zone.identifier?$data"),  # where a photo was downloaded from: a stream of Windows
    *("?*?encryptable", "?*?encryptable?$data", "?*?com.dropbox.attr*"),
    *("*~", "#*#", "~$*", "~syncthing~*.tmp", "csync_journal*"),
    *("*.xmp", "*.aae", "*.thm", "*.pp3", "*.dop", "*.json"),  # what a program did with the photo of this name
)
PLACEHOLDER_NAMES = (
    ".*.icloud",
)  # of a photo that is in the cloud only: hidden, but ignoring it would lose the photo
DOCUMENT_NAMES = (
    *("*.txt", "*.md", "*.rtf", "*.pdf", "*.doc", "*.docx", "*.odt", "*.pages", "*.log"),
    *("*.csv", "*.tsv", "*.xls", "*.xlsx", "*.xlsm", "*.xlsb", "*.ods", "*.numbers"),
    *("*.ppt", "*.pptx", "*.odp", "*.key", "*.html", "*.htm", "*.eml", "*.msg"),
    *("*.gdoc", "*.gsheet", "*.gslides", "*.gform", "*.gdraw", "*.url", "*.webloc", "*.lnk"),
    *("readme", "license", "licence"),
)


def _compile(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, names)))


_SYSTEM_FILE, _PLACEHOLDER, _DOCUMENT = map(_compile, (SYSTEM_FILE_NAMES, PLACEHOLDER_NAMES, DOCUMENT_NAMES))


def is_ignored(relative_path: PurePath) -> bool:
    """Whether a file of a batch is counted and ignored: a system file or a document."""
    return is_system_file(relative_path) or is_document(relative_path)


def is_system_file(relative_path: PurePath) -> bool:
    """Whether another program left a file, or a folder above it; it may hold small copies of photos."""
    parts = [part.lower() for part in relative_path.parts]
    return any(_SYSTEM_FILE.match(part) and not _PLACEHOLDER.match(part) for part in parts)


def is_document(relative_path: PurePath) -> bool:
    """Whether a file is a text, table, page or link; what has the whole name of a photo is told by its bytes."""
    name = relative_path.name
    return bool(_DOCUMENT.match(name.lower())) and not naming.PHOTO_NAME_PATTERN.fullmatch(name)


def dvcignore_lines() -> list[str]:
    """Return the lines of `.dvcignore` by which DVC does not see the system files of batches."""
    lines = [f"/data/raw/*/**/{_in_any_case(name)}" for name in SYSTEM_FILE_NAMES]
    return [*lines, *(f"!/data/raw/*/**/{_in_any_case(name)}" for name in PLACEHOLDER_NAMES)]


def _in_any_case(name: str) -> str:
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in name)
