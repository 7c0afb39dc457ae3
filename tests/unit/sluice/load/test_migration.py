"""What is done to a table for its dataset, and what is refused."""

import dataclasses

import pytest

from sluice.load.columns import create_table
from sluice.load.migration import ExistingColumn, ExistingTable, MigrationError, plan
from support.datasets import loading

STAFF = loading(
    """
schema:
  primaryKey: id
  fields:
    - {name: id, type: integer}
    - {name: mail, type: string, constraints: {required: true, unique: true, maxLength: 200}}
    - {name: note}
""",
    "staff",
    "insert-ignore",
)
OWN = (ExistingColumn("sluice_upload", "bigint unsigned", False), ExistingColumn("sluice_row", "bigint", False))
ID, MAIL = ExistingColumn("id", "bigint", False), ExistingColumn("mail", "varchar(200) utf8mb4_bin", False)
NOTE = ExistingColumn("note", "longtext utf8mb4_bin", True)
WANTED = ExistingTable((ID, MAIL, NOTE, *OWN), ("id",), frozenset([("mail",)]))


def with_columns(*columns: ExistingColumn) -> ExistingTable:
    return dataclasses.replace(WANTED, columns=(*columns, *OWN))


def test_a_table_has_a_column_for_each_field_and_keys():
    assert create_table(STAFF).splitlines() == [
        "CREATE TABLE `staff` (",
        "  `id` BIGINT NOT NULL,",
        "  `mail` VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,",
        "  `note` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,",
        "  `sluice_upload` INT UNSIGNED NOT NULL,",
        "  `sluice_row` INT UNSIGNED NOT NULL,",
        "  PRIMARY KEY (`id`),",
        "  UNIQUE KEY (`mail`)",
        ") ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ]
    assert create_table(STAFF, "other").startswith("CREATE TABLE `other` (")


def test_upserts_keep_how_late_an_upload_is():
    later = loading("schema: {primaryKey: id, fields: [{name: id, type: integer}]}", "staff", "upsert")

    for column in ("`sluice_modified` DATETIME(6) NOT NULL", "`sluice_key` VARCHAR(1024)", "`sluice_version` VARCHAR"):
        assert column in create_table(later)
        assert column not in create_table(STAFF)


def test_a_table_that_is_not_there_is_created_and_one_that_is_stays():
    assert plan(STAFF, None, WANTED) == [create_table(STAFF)]
    assert plan(STAFF, WANTED, WANTED) == []


def test_the_order_of_columns_does_not_matter_nor_do_others_that_may_be_null():
    left = ExistingColumn("of_a_later_release", "int(11)", True)

    assert plan(STAFF, with_columns(NOTE, left, MAIL, ID), WANTED) == []


def test_names_of_columns_know_no_case():
    assert plan(STAFF, with_columns(ID, MAIL, dataclasses.replace(NOTE, name="Note")), WANTED) == []


def test_a_new_column_that_may_be_null_is_added():
    assert plan(STAFF, with_columns(ID, MAIL), WANTED) == [
        "ALTER TABLE `staff` ADD COLUMN `note` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL"
    ]


@pytest.mark.parametrize(
    ("existing", "reason"),
    [
        (with_columns(ID, NOTE), "column mail is not there, and rows that are would have no value for it"),
        (
            with_columns(ID, dataclasses.replace(MAIL, type="varchar(100) utf8mb4_bin"), NOTE),
            r"column mail is varchar\(100\) utf8mb4_bin NOT NULL, and the schema asks for varchar\(200\) utf8mb4_bin N",
        ),
        (
            with_columns(ID, MAIL, dataclasses.replace(NOTE, nullable=False)),
            "column note is longtext utf8mb4_bin NOT NULL, and the schema asks for longtext utf8mb4_bin NULL",
        ),
        (
            with_columns(ID, MAIL, NOTE, ExistingColumn("age", "int(11)", False)),
            r"column age is int\(11\) NOT NULL, and no field of the schema gives it a value",
        ),
        (dataclasses.replace(WANTED, primary_key=()), "primary key: there is none, and the schema asks for id"),
        (
            dataclasses.replace(WANTED, unique=frozenset()),
            r"unique keys: there is none, and the schema asks for \(mail\)",
        ),
        (
            dataclasses.replace(WANTED, unique=WANTED.unique | {("note", "id")}),
            r"\(mail\), \(note, id\), and the schema asks for \(mail\)",
        ),
    ],
)
def test_anything_else_is_refused_with_what_is_there_and_what_to_do(existing, reason):
    with pytest.raises(MigrationError, match=f"^dataset dataset, table staff: .*{reason}") as refused:
        plan(STAFF, existing, WANTED)

    assert str(refused.value).endswith(": change the table by hand, or name another one in sluice:load")
