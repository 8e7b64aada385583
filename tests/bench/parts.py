"""What is measured: one function a part, in the order of the table.

Each takes the Bench, drives the servers, and reports rows: what was measured, the bare loop's value in the same
run where there is one, the ratio, and the target. Only ratios count where a machine's speed would decide.
"""
import re
import time
from pathlib import Path

from crowd import cost, delivered

MANY, CROWD = 1000, 10000
LOOP = "the loop"
WELCOME = 530  # bytes of the answers before the snapshot
LEVEL = 100_000  # frames a second, for comparing numbers of viewers: about half of a CPU
SWAP_GAP_MS = 50
JOIN_SECONDS = 2.0
KIB = 1024


def both(bench, daemon, floor, rate, windows):
    """Both servers at this rate, in turns, so that whatever else the machine does meets both alike. The window
    with the least delay counts: it was disturbed least."""
    best = {}
    for _ in range(windows):
        for name, (server, crowd) in {"floor": floor, "daemon": daemon}.items():
            server.events(rate)
            crowd.wait(bench.settle)
            window = crowd.watch(bench.window)
            server.events(0)
            crowd.wait(0.05)
            if name not in best or window["ms"]["p99"] < best[name]["ms"]["p99"]:
                best[name] = window
    return best["daemon"], best["floor"]


def whole(window, rate):
    """The share of what should have reached the viewers that did."""
    expected = rate * window["seconds"]
    return delivered(window) * min(1.0, (window["messages"] + 2 + 0.01 * expected) / expected)


def note(bench, series, viewers, rate, ours, theirs):
    """A point of the charts."""
    point = {"viewers": viewers, "events": rate, "daemon": cost(ours), "floor": cost(theirs),
             "daemon_frames": ours["frames"] / ours["seconds"], "floor_frames": theirs["frames"] / theirs["seconds"],
             "daemon_p50_ms": ours["ms"]["p50"], "daemon_p99_ms": ours["ms"]["p99"],
             "floor_p50_ms": theirs["ms"]["p50"], "floor_p99_ms": theirs["ms"]["p99"]}
    bench.points.setdefault(series, []).append(point)
    bench.progress(f"{rate} events/s × {viewers:,} viewers: {cost(ours):.2f} µs a frame, "
                   f"the bare loop {cost(theirs):.2f} µs")
    return point


def tools(bench):
    """Does the load client notice what it is there to notice?"""
    server, crowd = bench.floor()
    crowd.join(10)
    server.events(200)
    fine = crowd.watch(0.5)
    lose = crowd.watch(0.5, meanwhile=lambda: (time.sleep(0.2), server.tell("lose")))
    double = crowd.watch(0.5, meanwhile=lambda: (time.sleep(0.2), server.tell("double")))
    told_apart = delivered(fine) == 1 and delivered(lose) < 1 and delivered(double) == 0
    bench.row("a lost and a doubled event are noticed by the load client", "yes" if told_apart else "no",
              target="yes", met=told_apart)


def events(bench):
    """Fan-out to 1,000 viewers, from a quiet evening to far beyond any community."""
    daemon, floor = bench.daemon(), bench.floor()
    for _, crowd in (daemon, floor):
        crowd.join(MANY)
    judged = (20, 100, 1000)
    for rate in judged if bench.quick else (20, 50, 100, 200, 500, 1000, 2000):
        ours, theirs = both(bench, daemon, floor, rate, 2 if rate in judged else 1)
        note(bench, "events", MANY, rate, ours, theirs)
        name = f"{rate:,} events/s × 1,000 viewers: "
        if rate == 1000:
            bench.share(name + "frames delivered", whole(ours, rate))
            bench.most(name + "backlog at the end", ours["settled_ms"], "ms", 250)
            bench.most(name + "server time per frame", cost(ours), "µs", 1.2, beside=cost(theirs), beside_is=LOOP)
        elif rate in judged:
            bench.ratio(name + "server time per frame", cost(ours), cost(theirs), "µs", most=1.5)


def viewers(bench):
    """As many frames a second to few and to many viewers: the cost must not grow with them more than the kernel's."""
    daemon, floor = bench.daemon(), bench.floor()
    at, costs = 0, {}
    for count in (MANY, CROWD) if bench.quick else (500, MANY, 2500, 5000, CROWD):
        for _, crowd in (daemon, floor):
            crowd.join(count - at)
        at, rate = count, LEVEL // count
        ours, theirs = both(bench, daemon, floor, rate, 2)
        note(bench, "viewers", count, rate, ours, theirs)
        costs[count] = cost(ours)
    bench.info("100,000 frames/s to 1,000 viewers: server time per frame", f"{costs[MANY]:.2f} µs")
    bench.ratio("100,000 frames/s to 10,000 viewers: server time per frame", cost(ours), cost(theirs), "µs", most=1.3)
    ours, theirs = both(bench, daemon, floor, 20, 2)
    bench.ratio("20 events/s × 10,000 viewers: delay p99", ours["ms"]["p99"], theirs["ms"]["p99"], "ms", most=2.0)
    server, crowd = daemon
    rate = 200
    server.events(rate)
    crowd.wait(bench.settle)
    window = crowd.watch(bench.window)
    name = "200 events/s × 10,000 viewers: "
    bench.progress(f"{name}{window['frames'] / window['seconds']:,.0f} frames/s at {cost(window):.2f} µs")
    bench.share(name + "frames delivered", whole(window, rate))
    bench.info(name + "delay p99", f"{window['ms']['p99']:.0f} ms")


def ask_health(server, seconds, delays):
    """As often as a monitor would never do it, so that a hundredth of the answers says something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        delays.append(server.healthy_in())
        time.sleep(0.005)


def saturation(bench):
    """How much is too much: the load is doubled until it isn't delivered as a whole."""
    server, crowd = bench.floor()
    crowd.join(MANY)
    server.events(1000)
    crowd.wait(bench.settle)
    window = crowd.watch(bench.window)
    loop = window["frames"] / window["seconds"]  # as many as it can, each sent by itself
    bench.progress(f"the bare loop: {loop:,.0f} frames/s")
    bench.release(server, crowd)
    server, crowd = bench.daemon()
    crowd.join(CROWD)
    most = 0.0
    for rate in (500, 1000, 2000):  # the mock's most
        delays = []
        server.events(rate)
        crowd.wait(bench.settle)
        window = crowd.watch(bench.window, meanwhile=lambda: ask_health(server, bench.window, delays))
        frames = window["frames"] / window["seconds"]
        fine = whole(window, rate) == 1 and window["settled_ms"] < 1000
        bench.progress(f"{rate:,} events/s × 10,000 viewers: {frames:,.0f} frames/s, "
                       f"{'as a whole' if fine else 'not as a whole'}; {window['own_cpu'] / window['seconds']:.2f} "
                       "CPUs for the viewers")
        if not fine:
            break
        most = frames
    bench.least("frames/s delivered as a whole, one worker", most, loop, "", 4.5)
    delay = sorted(delays)[len(delays) * 99 // 100]
    bench.most("/healthz under the heaviest of these loads: delay p99", delay, "ms", 100)


def stampede(bench, times, **options):
    """The best of so many, its megabytes, and the daemon's memory at the height."""
    server, crowd = bench.daemon(**options)
    start, best = server.rss(), None
    for _ in range(times):
        answer = crowd.join(CROWD, at_once=CROWD)
        best = answer if best is None or answer["seconds"] < best["seconds"] else best
        crowd.leave()
    height = (server.rss_at_most() - start) / CROWD / KIB
    bench.release(server, crowd)
    return best, height


def joins(bench):
    """Everybody at once, as after a restart."""
    large = {"servers": 1, "users_per_server": 5000}
    changes = {"presence_interval": 0.001}
    for what, options in (("4 users", {}), ("4 users, 1,000 changes/s", changes), ("5,000 users", large),
                          ("5,000 users, 1,000 changes/s", {**large, **changes})):
        judged = options != {**large, **changes}
        best, height = stampede(bench, 3 if judged and not bench.quick else 1, **options)
        bench.progress(f"10,000 viewers at once, {what}: {best['seconds']:.2f} s, {best['bytes'] / 1e6:,.0f} MB, "
                       f"{best['cpu'] * 1e6 / CROWD:.0f} µs of server time and at most {height:.1f} kB each")
        name = f"10,000 viewers join at once, {what}: "
        if not judged:
            # The last to join share the CPU with up to ten million frames a second to the first. What must hold
            # is that snapshots are shared, half a megabyte each as they are.
            bench.info(name + "time", f"{best['seconds']:.2f} s")
            bench.most(name + "memory at the height, each", height, "kB", 20)
            continue
        beside = None
        if "presence_interval" not in options:
            floor, crowd = bench.floor(snapshot=max(128, best["bytes"] // CROWD - WELCOME))
            beside = crowd.join(CROWD, at_once=CROWD)["seconds"]
            bench.release(floor, crowd)
        # Where the kernel alone needs about as long, that is the measure.
        target = max(JOIN_SECONDS, round(1.25 * beside, 1)) if beside else JOIN_SECONDS
        bench.most(name + "time", best["seconds"], "s", target, beside=beside, beside_is=LOOP)


def kernel_memory():
    """What the kernel keeps in its own structures, in bytes, whoever for."""
    text = Path("/proc/meminfo").read_text()
    return int(re.search(r"Slab:\s+(\d+)", text).group(1)) * KIB


def memory(bench):
    """What an idle viewer takes, and whether it comes back."""
    server, crowd = bench.daemon()
    crowd.join(100)  # so that what is loaded and allocated once is there
    crowd.leave()
    crowd.wait(1.0)
    start, kernel = server.rss(), kernel_memory()
    joined, left = [], []
    for turn in range(3 if bench.quick else 10):
        crowd.join(CROWD)
        joined.append((server.rss() - start) / CROWD)
        if turn == 0:
            kernel = kernel_memory() - kernel
        crowd.leave()
        crowd.wait(1.5)
        left.append(server.rss() / start)
        bench.progress(f"10,000 came and went, {turn + 1}: {joined[-1] / KIB:.2f} kB each, "
                       f"{100 * (left[-1] - 1):+.0f} % left behind")
    bench.most("resident memory per idle viewer", max(joined) / KIB, "kB", 4.0)
    bench.info("kernel memory per idle viewer, the server's end", f"{kernel / 2 / CROWD / KIB:.1f} kB")
    bench.most(f"resident memory after 10,000 came and went {len(left)} times, against the start", max(left), "×", 1.1)


def slow(bench):
    """One who stops reading, and then a hundred."""
    limits = {"log_size": 128 * KIB, "slow_client_timeout_ms": 60000}
    rate, few = 500, 100
    filled = 2.0 if bench.quick else 3.0  # seconds until the kernel takes nothing more for one who doesn't read
    server, crowd = bench.daemon(limits=limits)
    crowd.join(MANY)
    deaf = bench.crowd(server)
    deaf.receive_buffer(4096)
    server.events(rate)
    p99 = {"without": [], "with": []}
    for _ in range(1 if bench.quick else 3):
        for name in p99:
            if name == "with":
                deaf.join(1)
                deaf.deafen(1)
            crowd.wait(filled if name == "with" else bench.settle)
            p99[name].append(crowd.watch(bench.window)["ms"]["p99"])
        deaf.leave()
    without, with_one = min(p99["without"]), min(p99["with"])
    bench.progress(f"delay p99 without and with one who doesn't read: {without:.1f}, {with_one:.1f} ms")
    bench.ratio("one of 1,000 viewers stops reading: delay p99 of the others", with_one, without, "ms", most=1.2,
                beside_is="without")
    deaf.join(few)
    deaf.deafen(few)
    before = server.rss()
    server.events(1000)
    crowd.wait(2 * filled)  # and until each of them is further behind than the log reaches
    window = crowd.watch(bench.window)
    grown = (server.rss() - before) / KIB / few
    bench.share("a hundred who don't read: frames delivered to the others", whole(window, 1000))
    # One write of 64 kB that waits for each, and what all of them share: the log, to be let go of when it is long.
    bench.most("memory for each of a hundred who don't read", grown, "kB", 64 + 4 * limits["log_size"] / KIB / few)


def swap(bench):
    """The provider is changed under 1,000 viewers while it talks."""
    server, crowd = bench.daemon()
    crowd.join(MANY)
    server.events(200)
    crowd.wait(bench.settle)
    wanted, tries = (2, 6) if bench.quick else (5, 15)
    gaps, quiet, lost, wrong, swaps = [], [], 0, 0, 0
    before = crowd.watch(0.3)
    while len(gaps) < wanted and swaps < tries:
        interval = (0.004, 0.005)[swaps % 2]
        window = crowd.watch(0.6, meanwhile=lambda: (time.sleep(0.2), server.reload(message_interval=interval)))
        after = crowd.watch(0.3)
        swaps += 1
        lost += window["lost"] + after["lost"]
        wrong += window["others"] + window["behind"] + window["unordered"]
        # Who else has the machine may stop it for as long: then this swap says nothing about gaps.
        if max(before["gap_ms"], after["gap_ms"]) < SWAP_GAP_MS / 2 or swaps == tries:
            gaps.append(window["gap_ms"])
            quiet.append(max(before["gap_ms"], after["gap_ms"]))
        before = after
    bench.progress(f"{swaps} swaps, {len(gaps)} of them on a quiet machine: gaps of "
                   f"{', '.join(f'{gap:.0f}' for gap in gaps)} ms")
    name = f"{swaps} swaps of the provider under 1,000 viewers: "
    bench.most(name + "viewers lost", lost, "", 0)
    bench.most(name + "viewers that missed something or got it twice", wrong, "", 0)
    bench.most(name + "longest gap in delivery", max(gaps), "ms", SWAP_GAP_MS, beside=max(quiet), beside_is="without")


def workers(bench):
    """Two workers on two CPUs, as far as two go: the load client needs one of them, too."""
    if len(bench.all_cpus) < 2:
        bench.info("two workers against one", "needs two CPUs")
        return
    writes, rate = {}, 100
    for count in (1, 2):
        server, crowd = bench.daemon(workers=count, cpus=bench.server_cpus if count == 1 else bench.all_cpus)
        crowd.join(CROWD)
        server.events(rate)
        crowd.wait(bench.settle)
        window = crowd.watch(bench.window)
        writes[count] = window["reads"] / window["seconds"], window["reads"] / window["cpu"]
        bench.progress(f"workers = {count}: {writes[count][0]:,.0f} writes/s, {window['cpu'] / window['seconds']:.2f} "
                       f"CPUs for the server, {window['own_cpu'] / window['seconds']:.2f} for the viewers, "
                       f"delay p50 {window['ms']['p50']:.0f} ms")
        bench.share(f"workers = {count}, 100 events/s × 10,000 viewers: frames delivered", whole(window, rate))
        bench.release(server, crowd)
    bench.info("writes/s, 2 workers against 1, on the CPUs that there are", f"{writes[2][0] / writes[1][0]:.2f} ×")
    bench.least("writes per second of CPU time, 2 workers against 1", writes[2][1], writes[1][1], "", 0.8,
                beside_is="1 worker")


PARTS = [tools, events, viewers, saturation, joins, memory, slow, swap, workers]
