"""Print jobs and the files they print."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel


class JobFile(SQLModel, table=True):
    """A file by its content. It lies in the controller's folder `files` under its digest."""

    __tablename__ = "job_file"

    digest: str = Field(primary_key=True, max_length=64, description="SHA-256, hexadecimal")
    size: int = Field(sa_type=BigInteger)
    created_ms: int = Field(sa_type=BigInteger)


class PrintJob(SQLModel, table=True):
    """A file for one machine. `state` is a `controller.jobs.states.JobState`.

    `review` is what the file asks for (`device_profiles.gcode.Review` as JSON), None until it was read. `preview` is
    what is drawn of it. `command_id` is the latest command that is to start it, `stop_id` the one to end it.
    """

    __tablename__ = "print_job"
    __table_args__ = (Index("ix_print_job_device", "device_id", "state"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    device_id: int = Field(foreign_key="device.id")
    digest: str = Field(foreign_key="job_file.digest", index=True, max_length=64)
    file_name: str = Field(max_length=200)
    title: str = Field(default="", max_length=128)
    group_name: str = Field(default="", max_length=64, description="a group's name, never a pupil's")
    by_id: str = Field(max_length=32)
    created_ms: int = Field(sa_type=BigInteger)
    state: str = Field(max_length=12)
    state_ms: int = Field(sa_type=BigInteger)
    detail: str = Field(default="", max_length=1024)
    review: dict[str, Any] | None = Field(sa_column=Column(JSON, nullable=True), default=None)
    preview: dict[str, Any] | None = Field(sa_column=Column(JSON, nullable=True), default=None)
    released_by: str = Field(default="", max_length=32)
    command_id: str | None = Field(default=None, max_length=63)
    stop_id: str | None = Field(default=None, max_length=63)
    started_ms: int | None = Field(default=None, sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)


class JobStep(SQLModel, table=True):
    """A line of a job's log. `kind` is a stable code."""

    __tablename__ = "job_step"

    id: int | None = Field(default=None, primary_key=True)
    job_id: int = Field(foreign_key="print_job.id", index=True)
    at_ms: int = Field(sa_type=BigInteger)
    kind: str = Field(max_length=20)
    by_id: str = Field(default="", max_length=32)
    detail: str = Field(default="", max_length=1024)
