"""A ScoreEnsemble that follows streams: each member has a stream of its own."""

import numpy as np

from skanomaly.streaming._smoothing import StreamSmoother

__all__ = ["EnsembleFollower"]


class EnsembleFollower:
    """Combine what the streams of the members say, as the ensemble combines its members.

    Parameters
    ----------
    ensemble : ScoreEnsemble
        Fitted.
    n_streams : int
        Number of streams.
    follow : callable
        Makes the stream of a member: ``follow(member)``.
    """

    def __init__(self, ensemble, n_streams, follow):
        self._ensemble = ensemble
        self._spans = [1] if ensemble.spans is None else [int(one) for one in ensemble.spans]
        if not ensemble.causal and max(self._spans) > 1:
            raise ValueError(
                "causal must be True in a stream, where later steps are not there yet; got False. "
                "Fit the ensemble with causal=True, or spans=None."
            )
        self._members = [follow(member) for member in ensemble.estimators_]
        # The score of a step is averaged beside the errors of its features.
        width = ensemble.n_features_in_ + 1
        self._smoothers = [
            [
                StreamSmoother("triangular", span, n_streams, width) if span > 1 else None
                for span in self._spans
            ]
            for _ in self._members
        ]
        self.warm_up = max(ensemble.warm_up, *(member.warm_up for member in self._members))
        self._scores = None

    def errors(self, x):
        """Return errors of the values of x (n_streams, n, n_features) on the common scale."""
        found = [self._stand_out(i, x) for i in range(len(self._members))]
        scores = np.array([score for score, _ in found])
        if self._ensemble.combination == "mean":
            self._scores = scores.mean(axis=0)
            return np.mean([errors for _, errors in found], axis=0)
        self._scores = scores.max(axis=0)
        highest = np.where(np.isnan(scores), np.inf, scores).argmax(axis=0)
        errors = np.array([errors for _, errors in found])
        return np.take_along_axis(errors, highest[None, ..., None], axis=0)[0]

    def scores(self, errors):
        """Return the scores that belong to the errors asked for last: (n_streams, n)."""
        return self._scores

    def _stand_out(self, i, x):
        """Return scores (n_streams, n) and errors of member i, of the span that stands out most."""
        stream, ensemble = self._members[i], self._ensemble
        n_seen = stream.n_seen
        result = stream.update(x if stream.n_streams > 1 else x[0])
        scores = -np.asarray(result.score).reshape(x.shape[:2])
        errors = np.array(result.errors).reshape(x.shape)
        scores[:, : max(ensemble.warm_up - n_seen, 0)] = np.nan
        unknown = np.isnan(scores)
        errors[unknown] = np.nan
        values = np.concatenate([scores[..., None], errors], axis=-1)
        best = np.full(values.shape, -np.inf)
        for smoother, scale in zip(self._smoothers[i], ensemble.scales_[i], strict=True):
            smooth = values if smoother is None else smoother.next(values)
            smooth = (smooth - ensemble.centres_[i]) / scale
            better = smooth[..., :1] > best[..., :1]
            best = np.where(better, smooth, best)
        best[unknown] = np.nan
        best *= ensemble._weights[i]
        return best[..., 0], best[..., 1:]

    # ---------------------------------------------------------------------------------- state

    def get_state(self):
        """Return all that is remembered: a dict of arrays."""
        state = {}
        for name, part in self._parts():
            state |= {f"{name}.{key}": value for key, value in part.get_state().items()}
        for i, member in enumerate(self._members):
            state[f"{i}.n_seen"] = np.array([member.n_seen])
        return state

    def set_state(self, state):
        """Go on from a state."""
        for name, part in self._parts():
            part.set_state({key: state[f"{name}.{key}"] for key in part.get_state()})
        for i, member in enumerate(self._members):
            member.n_seen = int(state[f"{i}.n_seen"][0])

    def _parts(self):
        """Yield (name, what has a state)."""
        for i, (member, smoothers) in enumerate(zip(self._members, self._smoothers, strict=True)):
            yield f"{i}.member", member
            for smoother, span in zip(smoothers, self._spans, strict=True):
                if smoother is not None:
                    yield f"{i}.span{span}", smoother
