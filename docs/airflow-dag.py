"""A nightly load of Millrace by Apache Airflow (2.x): one file a night, one manifest a night."""

import json
import subprocess
from datetime import datetime, timedelta

from airflow.decorators import dag, task
from airflow.exceptions import AirflowFailException

NIGHTS = "/data/nights"
DATA = "/var/lib/millrace"


@dag(
    dag_id="millrace_nightly",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=True,
    # One data folder has one owner at a time, and nights are loaded in their order.
    max_active_runs=1,
    default_args={"retries": 5, "retry_delay": timedelta(minutes=5), "depends_on_past": True},
)
def millrace_nightly():
    @task
    def load(ds: str) -> dict:
        manifest = f"{NIGHTS}/{ds}.manifest.json"
        command = ["npx", "millrace", "load", "--manifest", manifest, "--data", DATA]
        command += ["--input", f"{NIGHTS}/{ds}.jsonl.gz", "--mapping", f"{NIGHTS}/mapping.json"]
        ended = subprocess.run(command, capture_output=True, text=True)
        # 2: wrong usage, configuration or input; 3: damaged data. Trying again does not help.
        if ended.returncode in (2, 3):
            raise AirflowFailException(ended.stderr)
        # 1: it may pass. A load that is tried again goes on behind what was taken in.
        if ended.returncode != 0:
            raise RuntimeError(ended.stderr)
        with open(manifest, encoding="utf-8") as file:
            return json.load(file)

    @task
    def check(manifest: dict) -> None:
        rows = sum(loaded["rows"] for loaded in manifest["inputs"])
        rejected = sum(sum(loaded["rejected"].values()) for loaded in manifest["inputs"])
        if rows == 0 or rejected > rows / 100:
            raise AirflowFailException(f"{rejected} of {rows} rows were rejected")

    check(load())


millrace_nightly()
