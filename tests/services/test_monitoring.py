"""What Prometheus and Grafana are given: rules, dashboard and `/metrics` fit each other, by Prometheus' `promtool`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics import parser

from edge.adapters.store import Store
from edge.core.alarm import AlarmPolicy
from edge.core.drift import SIGNS, DriftLimits
from edge.core.outcome import Attempt, Defect, Outcome, Reason
from edge.services.metrics import TEXT_TYPE, wants_text
from tests.web.site import AT, PROCESSES, STATION, Site, until
from tests.web.site import site as running

FOLDER = Path(__file__).parents[2] / "config" / "monitoring"
DASHBOARD = json.loads((FOLDER / "edge-dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((FOLDER / "edge-rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
EXPRESSIONS = [
    *(rule["expr"] for rule in RULES),
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
]
#: What each process says that has everything: a remote reader on a GPU, a camera with losses, an ERP with a snapshot,
#: and wires.
FACTS: Mapping[str, Mapping[str, Any]] = {
    "capture-top": {"frames": 7, "missed": 2, "frame_age_s": 0.5},
    "inspector": {"erp_answer_age_s": 2.5, "erp_snapshot_age_s": 900.0},
    "reader": {
        "waiting": 1,
        "oldest_age_s": 0.1,
        "batches": {"1": 5},
        "cache_hits": 3,
        "cache_misses": 1,
        "breaker": "closed",
        "gpu_memory_bytes": 1,
    },
    "signals": {
        "wires": {"plc": "open", "result": "away"},
        "unfit": "",
        "triggers": {"plc": {"accepted": 4, "bounced": 1, "max_trigger_rate": 2, "lost": 0}},
        "result": {},
    },
}


def promtool(*words: str, said: str = "") -> str:
    """What Prometheus' own tool says; it must agree."""
    done = subprocess.run(["promtool", *words], input=said, capture_output=True, text=True, cwd=FOLDER, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def decide(site: Site, reason: Reason, **rest: Any) -> None:
    """One outcome of a station whose base is complete after one."""
    store = Store.open(site.data_dir, STATION, alarm=AlarmPolicy(drift=DriftLimits(base_outcomes=1)))
    inspection_id, _ = store.add_trigger(f"t{store.counts()['triggers']}", expected=None, source="x", at=AT, at_us=1)
    store.commit(Outcome(inspection_id, "t", reason, **rest), topic="o", config_hash="c", at=AT)
    store.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A station that has everything, after an outcome with a retake and one that MES has confirmed."""
    with running(tmp_path_factory.mktemp("m"), processes=(*PROCESSES, "signals")) as made:
        made.facts.update({name: dict(facts) for name, facts in FACTS.items()})
        tries = (Attempt(1, defects=(Defect.GLARE,)), Attempt(2, cause=(Defect.GLARE,), helped=True))
        decide(made, Reason.MATCHED, attempts=tries, ms={"capture": 20.0, "read": 120.0, "total": 180.0})
        made.store.confirmations.add(made.store.outcomes()[0].inspection_id)
        decide(made, Reason.RECORD_MISSING)
        made.store.add_trigger("waits", expected=None, source="x", at=AT, at_us=1)
        # Every process is heard, the panel by itself too: nothing more can come.
        heard = (
            "edge_process_gpu_memory_bytes",
            "edge_camera_events_total",
            "edge_erp_age_seconds",
            "edge_broker_connected",
            "edge_wire_triggers_total",
        )
        until(lambda: all(name in made.get("/metrics").body.decode() for name in heard))
        until(lambda: all(one["memory_bytes"] for one in made.get("/health").json["processes"].values()))
        yield made


def exposed(site: Site) -> dict[str, Any]:
    """The families of `/metrics` by name, by a strict parser."""
    families_of: Any = parser.text_string_to_metric_families
    return {family.name: family for family in families_of(site.get("/metrics").body.decode())}


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    """Prometheus itself runs a firing and a silent case of every rule, and finds rules and configuration sound."""
    cases = yaml.safe_load((FOLDER / "edge-rules.test.yml").read_text(encoding="utf-8"))["tests"]
    promtool("check", "config", "prometheus.yml")
    promtool("test", "rules", "edge-rules.test.yml")

    assert {case["name"] for case in cases} == {
        f"{rule['alert']} {how}" for rule in RULES for how in ("fires", "is silent")
    }


def test_the_metrics_are_as_prometheus_wants_them(site: Site) -> None:
    """`promtool check metrics` has nothing to say of names, units, types and help, nor of the text's form."""
    answer = site.get("/metrics", accept="text/plain")

    assert answer.headers["content-type"] == TEXT_TYPE
    assert promtool("check", "metrics", said=answer.body.decode()) == ""


def test_rules_and_dashboard_ask_for_what_there_is(site: Site) -> None:
    """Every metric that an alert or a panel names is one that this very station shows."""
    there = {sample.name for family in exposed(site).values() for sample in family.samples} | {"up"}
    asked = {name for text in EXPRESSIONS for name in re.findall(r"\b(?:edge_[a-z_]+|up)\b", text)}

    assert asked <= there
    assert len(asked) > 20


def test_the_dashboards_questions_are_sound(tmp_path: Path) -> None:
    """Prometheus can parse every question of the dashboard; panels have names, ids of their own, and units."""
    rules = [{"record": f"q:{n}", "expr": text.replace("$station", ".*")} for n, text in enumerate(EXPRESSIONS)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "questions", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", str(file))

    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["fieldConfig"]["defaults"]["unit"] and panel["targets"] for panel in panels)


def test_labels_have_no_more_values_than_lists_in_the_code(site: Site) -> None:
    """Nothing that comes from a part, a broker or a visitor is a label: the series of a station are bounded."""
    before = sum(len(family.samples) for family in exposed(site).values())
    for number in range(3):
        site.add()
        decide(site, Reason.RECORD_MISSING, detail=f"text of part {number}")
    families = exposed(site)

    assert sum(len(family.samples) for family in families.values()) == before
    assert {sample.labels["sign"] for sample in families["edge_drift_nearness_ratio"].samples} == set(SIGNS)
    assert before < 500


def test_what_a_retake_brought_and_each_stage_took_is_counted(site: Site) -> None:
    """Retakes by defect and effect, and a histogram of each stage in seconds."""
    families = exposed(site)
    retakes = {tuple(one.labels.values()): one.value for one in families["edge_retakes"].samples if one.value}
    read = [one for one in families["edge_stage_seconds"].samples if one.labels["stage"] == "read"]

    assert retakes == {("glare", "helped", STATION): 1.0}
    assert [one.value for one in read if one.name.endswith("_count")] == [1]
    assert [one.value for one in read if one.name.endswith("_sum")] == [0.12]
    assert {one.labels["le"]: one.value for one in read if "le" in one.labels}["0.1"] == 0


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("", False),
        ("*/*", False),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
        ("text/plain;version=0.0.4", True),
    ],
)
def test_whoever_knows_openmetrics_gets_it(accept: str, *, text: bool) -> None:
    """Prometheus asks for OpenMetrics; the older form is for those who name it alone."""
    assert wants_text(accept) == text
