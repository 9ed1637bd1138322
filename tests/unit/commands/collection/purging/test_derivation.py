"""What comes from a withdrawn student, by DVC's records alone."""

from __future__ import annotations

from shoepair.commands.collection.purging.derivation import Origins, trace_origins
from shoepair.commands.collection.purging.records import StageRecord, Version
from shoepair.runtime.file_digests import hash_listing

WITH = {"train/u001_1_left_m.jpg": "p1", "train/u052_1_left_m.jpg": "p52", "train/Thumbs.db": "thumbs"}
WITHOUT = {"train/u001_1_left_m.jpg": "p1"}
LISTINGS = {"with.dir": WITH, "without.dir": WITHOUT}


def tracked(digest: str, path: str = "winter") -> Version:
    """Return the record in a .dvc file."""
    return (StageRecord("", (), ((path, digest),)),)


def stage(name: str, deps: dict[str, str], outs: dict[str, str]) -> StageRecord:
    return StageRecord(name, tuple(deps.items()), tuple(outs.items()))


def pipeline(listing: str, suffix: str, model: str = "") -> Version:
    """Return the records of a pipeline that ran on a listing; its outputs have digests with a suffix."""
    store = {"data/store/winter.h5": f"store{suffix}"}
    folder = hash_listing({"winter.h5": f"store{suffix}"})
    return (
        stage("ingest@winter", {"data/raw/winter": listing}, {"data/manifest/winter.parquet": f"table{suffix}"}),
        stage("normalize@winter", {"data/raw/winter": listing}, store),
        stage("train@cnn", {"data/store": folder, "stages/train.py": "code"}, {"models/cnn.safetensors": model}),
        stage(
            "report", {"models": hash_listing({"cnn.safetensors": model})}, {"plots/examples": f"pages{suffix}.dir"}
        ),
        stage("analyze", {"stages/analyze.py": "code"}, {"reports/analysis": "analysis.dir"}),
    )


def trace(*versions: Version, **extra: dict[str, str]) -> Origins:
    listings = LISTINGS | {f"{name}.dir": members for name, members in extra.items()}
    return trace_origins(versions, listings.get, {"winter": ["u052"]})


def test_everything_made_of_a_students_photos_is_theirs_and_nothing_else() -> None:
    origins = trace(
        *(tracked("with.dir"), pipeline("with.dir", "1", "m1"), tracked("without.dir")),
        pipeline("without.dir", "2", "m2"),
        pages1={"cnn.jpg": "sheet", "index.html": "page", "logo.png": "logo"},
        pages2={"cnn.jpg": "other", "logo.png": "logo"},
    )
    assert origins.theirs == {
        "with.dir": "listing",
        "p52": "photo",
        "thumbs": "system file",
        "table1": "table",
        "store1": "store",
        "m1": "model",
        "pages1.dir": "listing",
        "sheet": "picture",
        "page": "page",
    }
    others = {"without.dir", "p1", "table2", "store2", "m2", "pages2.dir", "other", "logo", "analysis.dir"}
    assert origins.others == others
    assert origins.photos == {"p52"}
    assert "code" in origins.named


def test_contact_sheet_of_the_student_and_pairs_of_photos_are_theirs_and_sheets_of_others_are_not() -> None:
    def sheets(suffix: str) -> Version:
        store = {"data/store/winter.h5": f"store{suffix}"}
        return (stage("sheets@winter", store, {"reports/photos/winter": f"sheets{suffix}.dir"}),)

    origins = trace(
        *(tracked("with.dir"), (*pipeline("with.dir", "1", "m1"), *sheets("1")), tracked("without.dir")),
        (*pipeline("without.dir", "2", "m2"), *sheets("2")),
        sheets1={"u001.jpg": "sheet1", "u052.jpg": "sheet52", "pairs.parquet": "pairs1"},
        sheets2={"u001.jpg": "sheet1", "pairs.parquet": "pairs2"},
    )
    found = {digest: kind for digest, kind in origins.theirs.items() if digest.startswith(("sheet", "pairs"))}
    assert found == {"sheets1.dir": "listing", "sheet52": "picture", "pairs1": "table"}
    assert {"sheets2.dir", "sheet1", "pairs2"} <= origins.others


def test_output_that_was_also_made_without_them_is_not_theirs() -> None:
    same = "weights"  # a test student: the model is the same
    origins = trace(
        *(tracked("with.dir"), pipeline("with.dir", "1", same), tracked("without.dir")),
        pipeline("without.dir", "2", same),
    )
    assert same in origins.others
    assert "pages1.dir" not in origins.theirs, "made of that model, which holds nothing of them"
    assert {"store1", "table1"} <= origins.theirs.keys()


def test_version_that_is_only_partly_built_again_is_followed_by_digests() -> None:
    new, old = pipeline("without.dir", "2", "m1"), pipeline("with.dir", "1", "m1")
    mixed = (*new[:2], *old[2:])  # the training was not repeated yet
    origins = trace(tracked("with.dir"), tracked("without.dir"), old, mixed)
    assert {"m1", "pages1.dir"} <= origins.theirs.keys()


def test_listing_that_is_nowhere_any_more_counts_as_one_with_the_student() -> None:
    origins = trace(tracked("lost.dir"), pipeline("lost.dir", "1", "m1"), tracked("elsewhere.dir", "late"))
    assert {"lost.dir", "store1", "m1"} <= origins.theirs.keys()
    assert "elsewhere.dir" in origins.others, "of another batch"


def test_student_of_the_same_id_in_another_batch_is_another() -> None:
    origins = trace(tracked("late.dir", "late"), late=WITH)
    assert origins.theirs == {}
    assert origins.others == {"late.dir", *WITH.values()}


def test_photo_of_theirs_under_another_name_is_found_wherever_dvc_tracks_it() -> None:
    origins = trace(tracked("with.dir"), tracked("copy.dir", "backup"), copy={"x.jpg": "p52", "y.jpg": "mine"})
    assert origins.theirs["copy.dir"] == "listing"
    renamed = {"train/u700_1_left_m.jpg": "p52", ".hidden": "thumbs2"}
    origins = trace(tracked("renamed.dir", "late"), tracked("with.dir"), tracked("p52", "x.jpg"), renamed=renamed)
    assert origins.theirs == {
        **{"with.dir": "listing", "renamed.dir": "listing", "p52": "photo"},
        **{"thumbs": "system file", "thumbs2": "system file"},
    }
    origins = trace(tracked("with.dir"), tracked("copy.dir", "backup"), copy={"x.jpg": "p52", "y.jpg": "mine"})
    assert "mine" in origins.others


def test_system_file_that_another_batch_has_too_is_not_theirs() -> None:
    origins = trace(tracked("with.dir"), tracked("late.dir", "late"), late={"Thumbs.db": "thumbs"})
    assert "thumbs" in origins.others
    after = trace(tracked("with.dir"), tracked("after.dir"), after={**WITHOUT, "train/Thumbs.db": "thumbs"})
    assert after.theirs["thumbs"] == "system file", "it was made while the student was there"


def test_folder_with_files_that_git_tracks_is_recognised() -> None:
    folder = hash_listing({"README.md": "text"})
    old = stage("crossval@cnn", {"data/raw/winter": "with.dir"}, {"metrics/crossval/cnn.json": "old"})
    report = stage("report", {"metrics/crossval": folder}, {"reports/index.html": "page"})
    versions = [tracked("with.dir"), (old,), (report,)]
    unknown = trace_origins(versions, LISTINGS.get, {"winter": ["u052"]})
    assert "page" in unknown.theirs, "what was in the folder is not known"
    known = trace_origins(versions, LISTINGS.get, {"winter": ["u052"]}, {"metrics/crossval/README.md": "text"})
    assert "page" in known.others
