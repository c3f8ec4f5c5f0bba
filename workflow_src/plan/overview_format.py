"""What results/plan/overview.json says, for who writes it and who reads it; quick to import.

`overview.json` has these keys:

- ``schema_version``, ``planned`` (UTC), ``scale``, ``device``;
- ``runs``: fingerprint -> [directory, expected seconds], done or not; the seconds are null in
  families where nothing was missing;
- ``shards``: digest -> {``runs``: fingerprints that were missing, ``seconds`` expected,
  ``source`` of the expectation, ``minutes`` that the first attempt asks for where the partition
  allows as many};
- ``evaluations``: fingerprint -> directory;
- ``prepared``: fingerprint -> [data set, likelihood];
- ``report``: fingerprint.
"""

SCHEMA_VERSION = 1
