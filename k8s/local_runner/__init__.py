"""Runs rendered manifests without a cluster: real processes, networks and volumes on one machine.

One process for each pod, with the manifest's own command, environment, user, volumes and ports, in
namespaces of its own (network, mounts, processes, host name); and the rules by which a Job or a
JobSet restarts pods. Needs root on Linux, `ip` and util-linux.

What differs from a cluster: the image is this machine's Python with the package (its folders,
read-only, and nothing else of the machine) or an image unpacked in a folder; names come from
/etc/hosts, not from DNS; nothing limits processor and memory or enforces a NetworkPolicy; a claim
is a folder; there are no nodes, no scheduler and no API server.
"""
