"""What can be checked without an engine: medians and ratios, the picture, the tables, the repeated KV state, the structures of a header."""
import ctypes as C
import json, struct
import unittest
import xml.dom.minidom
import c_header, curve, figures, kv_state, llamacpp, machine, report
from engines import LlamaBench, read_setting, setting_words


def measurement():
    """Two engines, three rounds; the second engine's setting b loses in round 1 and is left out afterwards."""
    decode = lambda depth, rate, **more: {"kind": "decode", "depth": depth, "tokensPerSecond": rate, **more}
    runs = []
    for r, (own, peer) in enumerate([(10.0, 5.0), (12.0, 4.0), (8.0, 2.0)], 1):
        runs.append({"round": r, "engine": "Kvasir", "setting": "q8", "probe": 2e10 + r, "results": [decode(0, 50.0), decode(32768, own, floorShare=0.5 + r / 100)]})
        runs.append({"round": r, "engine": "llama.cpp", "setting": "fa+f16", "probe": 2e10, "results": [decode(0, 50.0), decode(32768, peer)]})
    runs.append({"round": 1, "engine": "llama.cpp", "setting": "nofa+f16", "probe": 2e10, "results": [decode(0, 10.0), decode(32768, 3.0)]})
    runs[0]["results"].append({"kind": "prefill", "depth": 0, "tokens": 512, "tokensPerSecond": 250.0})
    return {"date": "2026-01-02", "model": {"file": "m<1>.gguf", "bytes": 5}, "threads": 2, "runs": runs,
            "engines": [{"name": "Kvasir", "version": "0.1.0", "settings": ["q8"]}, {"name": "llama.cpp", "version": "1", "settings": ["fa+f16", "nofa+f16"]}]}


MACHINE = {"cpu": "Some(R) CPU @ 2.80GHz", "logicalCpus": 2, "memoryBytes": 8e9, "system": "Linux 6"}


class Figures(unittest.TestCase):
    def test_median_and_ratio_are_taken_over_rounds(self):
        row = figures.table(measurement())[2]
        self.assertEqual(row["key"], ("decode", 32768, None))
        self.assertEqual(row["engines"]["Kvasir"]["median"], 10)
        peer = row["engines"]["llama.cpp"]
        self.assertEqual((peer["median"], peer["low"], peer["high"], peer["rounds"], peer["setting"]), (4, 2, 5, 3, "fa+f16"))
        self.assertEqual(peer["ratio"], 3)      # of 2, 3 and 4: not the ratio of the medians, 2.5

    def test_a_setting_left_out_cannot_win(self):
        m = measurement()
        m["runs"][-1]["results"][1]["tokensPerSecond"] = 99.0
        self.assertEqual(figures.table(m)[2]["engines"]["llama.cpp"]["setting"], "fa+f16")

    def test_floor_share_and_probes(self):
        self.assertAlmostEqual(figures.floor_share(measurement(), ("decode", 32768, None), "q8"), 0.52)
        self.assertEqual(figures.probes(measurement()), (2e10, 2e10, 2e10 + 3))

    def test_attention_is_the_time_beyond_an_empty_context(self):
        self.assertEqual(figures.attention(measurement()), [(32768, {"Kvasir": 80, "llama.cpp": 230})])
        self.assertIn(["attention of a step at depth 32,768, ms", "80.0", "230", "2.88 x"], report.rows(measurement(), False))

    def test_curve_is_sorted_by_depth(self):
        self.assertEqual(figures.curve(measurement())["Kvasir"], [(0, 50), (32768, 10)])


class Reports(unittest.TestCase):
    def test_table_names_every_case_and_leaves_gaps_open(self):
        text = report.markdown(report.rows(measurement(), True))
        self.assertIn("| prefill 512 | 250 (250 to 250; q8 KV) | - | - |", text)
        self.assertIn("| decode at depth 32,768 | 10.0 (8.00 to 12.0; q8 KV) | 4.00 (2.00 to 5.00; flash attention, f16 KV) | 3.00 x |", text)

    def test_picture_is_well_formed_and_within_its_frame(self):
        picture = xml.dom.minidom.parseString(report.picture(MACHINE, measurement()))
        circles = picture.getElementsByTagName("circle")
        self.assertEqual(len(circles), 4)
        for c in circles:
            self.assertTrue(curve.LEFT <= float(c.getAttribute("cx")) <= curve.WIDTH - curve.RIGHT)
            self.assertTrue(curve.TOP <= float(c.getAttribute("cy")) <= curve.HEIGHT - curve.BOTTOM)

    def test_names_do_not_touch(self):
        ends = {"a": (500, 100.0), "b": (500, 101.0), "c": (500, 102.0)}
        at = sorted(float(line.split("y='")[1].split("'")[0]) for line in curve.names(ends, dict.fromkeys("abc", "red")))
        self.assertTrue(all(b - a >= 18 for a, b in zip(at, at[1:])))

    def test_readme_is_replaced_between_its_marks_again_and_again(self):
        text = "before\n%s\nold\n%s\nafter\n" % (report.BEGIN, report.END)
        once = report.into_readme(text, MACHINE, [measurement()], "bench/results", "cpu")
        self.assertEqual(once, report.into_readme(once, MACHINE, [measurement()], "bench/results", "cpu"))
        self.assertNotIn("old", once)
        self.assertTrue(once.startswith("before\n") and once.endswith("\nafter\n"))

    def test_page_and_file_name(self):
        self.assertEqual(machine.slug(MACHINE), "some-cpu-2-80ghz-2-cpus")
        page = report.page(MACHINE, [measurement()], "cpu")
        self.assertIn("(cpu.svg)", page)
        self.assertIn("52 % at 32k", page)
        self.assertNotIn("Failed", page)
        failed = {**measurement(), "failures": [{"engine": "x", "setting": "fa+f16", "depth": 64}] * 2}
        self.assertEqual(report.failures(failed), "Failed: x, flash attention, f16 KV, at depth 64.")


class Settings(unittest.TestCase):
    def test_settings_are_read_and_refused(self):
        self.assertEqual(read_setting("fa+q8_0+rtr"), (1, "q8_0", True))
        self.assertEqual(setting_words("nofa+f16"), "no flash attention, f16 KV")
        for wrong in ("f16", "on+f16", "fa+f16+x"): self.assertRaises(SystemExit, read_setting, wrong)

    def test_llama_bench_is_given_the_options_that_it_has(self):
        bench = LlamaBench.__new__(LlamaBench)
        decode, prefill = {"kind": "decode", "depth": 64}, {"kind": "prefill", "depth": 64, "tokens": 512}
        bench.usage = "-gp <pp,tg>"
        self.assertEqual(bench.arguments(decode), ["-p", "0", "-n", "0", "-gp", "64,32"])
        self.assertIsNone(bench.arguments(prefill))
        bench.usage = "-d, --n-depth <n>"
        self.assertEqual(bench.arguments(prefill), ["-p", "512", "-n", "0", "-d", "64"])


class KvState(unittest.TestCase):
    LAYERS, ROW = 2, 4

    def blob(self, cells, streams, transposed):
        """A state whose byte at (layer, part, cell, column) is known."""
        value = lambda part, cell, column: (part * 50 + cell % 3 * 5 + column) & 255
        out = (struct.pack("<3I", 0xAF000001, 0, 1) if streams else b"") + struct.pack("<I", cells)
        out += b"".join(struct.pack("<iI", i, streams) + b"\0" * (4 * streams) for i in range(cells)) + struct.pack("<II", transposed, self.LAYERS)
        for part in range(2 * self.LAYERS):
            row_major = part < self.LAYERS or not transposed
            grid = [(c, j) for c in range(cells) for j in range(self.ROW)] if row_major else [(c, j) for j in range(self.ROW) for c in range(cells)]
            out += struct.pack("<iQ", 1, self.ROW) if row_major else struct.pack("<iII", 1, 1, self.ROW)
            out += bytes(value(part, c, j) for c, j in grid)
        return out + (b"" if streams else b"\0" * 8)

    def test_tiling_gives_the_state_of_a_longer_prompt(self):
        for streams in (0, 1):
            for transposed in (0, 1):
                self.assertEqual(kv_state.tile(self.blob(3, streams, transposed), 8), self.blob(8, streams, transposed))

    def test_a_state_of_another_shape_is_refused(self):
        self.assertRaises(ValueError, kv_state.tile, self.blob(3, 1, 0) + b"x", 8)
        self.assertRaises((ValueError, struct.error), kv_state.tile, self.blob(3, 1, 0)[:-3], 8)


class Header(unittest.TestCase):
    TEXT = """
    typedef struct llama_batch { int32_t n_tokens; llama_token * token; // all; of them
        float* embd; llama_pos * pos; int32_t*n_seq_id; llama_seq_id ** seq_id; int8_t * logits; } llama_batch;
    struct llama_context_params { uint32_t n_ctx; enum ggml_type type_k, type_v; /* one; two */ float rope; ggml_abort_callback abort; void * more; bool a; bool b; };
    struct odd { odd_t x; };"""

    def test_structures_are_laid_out_as_c_does(self):
        found = c_header.read(self.TEXT, ["llama_batch", "llama_context_params"])
        self.assertEqual(C.sizeof(found["llama_batch"]), C.sizeof(llamacpp.STRUCTS["llama_batch"]))
        context = found["llama_context_params"]
        self.assertEqual([name for name, _ in context._fields_], ["n_ctx", "type_k", "type_v", "rope", "abort", "more", "a", "b"])
        self.assertEqual((context.type_v.offset, context.abort.offset, context.b.offset), (8, 16, 33))

    def test_unknown_types_are_refused(self):
        self.assertRaises(SystemExit, c_header.read, self.TEXT, ["odd"])


class Probe(unittest.TestCase):
    def test_bandwidth_is_plausible_and_json_round_trips(self):
        self.assertTrue(1e8 < machine.read_bandwidth(1) < 1e13)
        self.assertEqual(figures.table(json.loads(json.dumps(measurement()))), figures.table(measurement()))


def run():
    suite = unittest.defaultTestLoader.loadTestsFromModule(__import__(__name__))
    return 0 if unittest.TextTestRunner().run(suite).wasSuccessful() else 1
