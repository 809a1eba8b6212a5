"""The alert rules as the Prometheus operator reads them: `python ops/kubernetes/build.py` writes `prometheusrule.yaml`
from `ops/prometheus/segmenter.rules.yml`; a test keeps it current."""

from __future__ import annotations

import textwrap
from pathlib import Path

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus" / "segmenter.rules.yml"

HEAD = """\
# Made of ops/prometheus/segmenter.rules.yml by ops/kubernetes/build.py: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: segmenter
  labels: {app.kubernetes.io/name: segmenter}
spec:
"""


def text() -> str:
    """The manifest: the rules' own text, two columns to the right."""
    rules = RULES.read_text("utf-8")
    return HEAD + textwrap.indent(rules[rules.index("groups:\n") :], "  ")


if __name__ == "__main__":
    (HERE / "prometheusrule.yaml").write_text(text(), "utf-8")
