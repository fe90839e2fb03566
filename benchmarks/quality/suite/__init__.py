"""How well do detectors find the anomalies of labelled real series? One command, all protocols.

    SKANOMALY_DATA=... python -m benchmarks.quality.suite --cache FOLDER

``protocols`` reads the series and cuts them, ``estimators`` names what is always compared,
``evaluation`` fits and scores and keeps what is done, ``measures`` rates one series, ``comparison``
ranks and tests, ``leaderboards`` sets published results beside ours, ``report`` writes tables and
pictures. From Python::

    from benchmarks.quality.suite import evaluate
    results = evaluate({"mine": make_my_detector}, folder, cache, protocols=["tsb-ad"])
"""

from benchmarks.quality.suite.evaluation import evaluate

__all__ = ["evaluate"]
