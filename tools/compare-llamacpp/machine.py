"""The machine: what it is called, and how fast its memory is read just now."""
import ctypes as C
import os, platform, re, statistics, threading, time

PROBE_BYTES = 512 << 20
PASSES = 5


def describe():
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            cpu = next((line.split(":", 1)[1].strip() for line in f if line.lower().startswith("model name")), cpu)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": cpu, "logicalCpus": os.cpu_count(), "memoryBytes": memory, "system": platform.system() + " " + platform.release().split("-")[0],
            "architecture": platform.machine()}


def cores():
    """Physical cores, as far as Linux says."""
    try:
        siblings = {open("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list" % cpu).read() for cpu in os.sched_getaffinity(0)}
    except (OSError, AttributeError):
        return os.cpu_count() or 1
    return len(siblings)


def slug(machine):
    """A file name: the CPU's name and how many of its threads there are."""
    name = re.sub(r"\((r|tm)\)", "", machine["cpu"].lower())
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-") + "-%d-cpus" % machine["logicalCpus"]


def read_bandwidth(threads):
    """Bytes a second at which `threads` threads read memory together: the C library's memchr over bytes that never match, median of a few passes."""
    libc = C.CDLL(None)
    libc.memchr.restype, libc.memchr.argtypes = C.c_void_p, [C.c_void_p, C.c_int, C.c_size_t]
    share = PROBE_BYTES // threads
    memory = C.create_string_buffer(share * threads)
    first = C.addressof(memory)
    gate, times = threading.Barrier(threads + 1), []

    def reader(index):
        C.memset(first + index * share, 1, share)
        for _ in range(PASSES):
            gate.wait()
            libc.memchr(first + index * share, 2, share)
            gate.wait()

    readers = [threading.Thread(target=reader, args=(i,)) for i in range(threads)]
    for r in readers: r.start()
    for _ in range(PASSES):
        gate.wait()
        begin = time.perf_counter()
        gate.wait()
        times.append(time.perf_counter() - begin)
    for r in readers: r.join()
    return share * threads / statistics.median(times)
