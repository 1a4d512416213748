"""llama.cpp through ctypes: the shared libraries that the npm package node-llama-cpp 3.22.1 brings (llama.cpp v0.5.0), or any other build
whose llama.h is given.

The structures below restate the C API of that release; with a header they are read from it instead (c_header.py).
"""
import ctypes as C
import glob, json, os, platform

P, I, U, F, B, Z = C.c_void_p, C.c_int32, C.c_uint32, C.c_float, C.c_bool, C.c_size_t
KV_TYPES = {"f32": 0, "f16": 1, "q8_0": 8, "bf16": 30}


def struct(name, text):
    kinds = {"p": P, "i": I, "u": U, "f": F, "b": B, "z": Z}
    fields = [(n, kinds[k]) for k, names in (part.split(":") for part in text.split()) for n in names.split(",")]
    return type(name, (C.Structure,), {"_fields_": fields})


STRUCTS = {
    "llama_model_params": struct("ModelParams", """p:devices,overrides i:n_gpu_layers,split,load_mode,lazy_mode,main_gpu
        p:tensor_split,progress,progress_data,kv_overrides b:vocab_only,check_tensors,use_extra_bufts,no_host,no_alloc,load_mtp"""),
    "llama_context_params": struct("ContextParams", """u:n_ctx,n_batch,n_ubatch,n_seq_max,n_rs_seq,n_outputs_max,n_outputs_max_per_seq
        i:n_threads,n_threads_batch,ctx_type,rope_scaling,pooling,attention,flash_attn_type
        f:rope_base,rope_scale,yarn_ext,yarn_attn,yarn_fast,yarn_slow u:yarn_orig f:defrag p:cb_eval,cb_data i:type_k,type_v p:abort,abort_data
        b:embeddings,offload_kqv,no_perf,op_offload,swa_full,kv_unified p:samplers z:n_samplers p:other"""),
    "llama_batch": struct("Batch", "i:n_tokens p:token,embd,pos,n_seq_id,seq_id,logits"),
}


def installed():
    """The folder of the libraries that `npm ci` in this folder brings, or None."""
    name = "linux-" + {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_modules", "@node-llama-cpp", name, "bins", name)
    return folder if os.path.isdir(folder) else None


def package_version(folder):
    """The release of llama.cpp in an installed folder, and that of the package."""
    read = lambda *path: json.load(open(os.path.join(folder, *path), encoding="utf-8"))
    release = read("_nlcBuildMetadata.json")["buildOptions"]["llamaCpp"]["release"]
    return "%s of node-llama-cpp %s" % (release, read("..", "..", "package.json")["version"])


class LlamaCpp:
    def __init__(self, folder, structs=STRUCTS):
        """folder: node_modules/@node-llama-cpp/linux-x64/bins/linux-x64, or the libllama.so of a build whose structures are given."""
        self.structs = structs
        if os.path.isdir(folder):
            find = lambda stem: glob.glob(os.path.join(folder, stem + "*.so*"))[0]
            C.CDLL(find("libggml-base"), C.RTLD_GLOBAL)
            self.ggml = C.CDLL(find("libggml.v"), C.RTLD_GLOBAL)
            self.lib = lib = C.CDLL(find("libllama.v"), C.RTLD_GLOBAL)
        else:
            self.lib = self.ggml = lib = C.CDLL(folder, C.RTLD_GLOBAL)
        self.silent = C.CFUNCTYPE(None, I, C.c_char_p, P)(lambda level, text, data: None)
        if not os.environ.get("LLAMA_LOG"):
            lib.llama_log_set.argtypes = [P, P]
            lib.llama_log_set(C.cast(self.silent, P), None)
        model, context, batch = (structs["llama_" + n] for n in ("model_params", "context_params", "batch"))
        # The second names are those of builds that left llama.cpp before it renamed them.
        for names, result, arguments in [
                ("llama_model_default_params", model, []), ("llama_context_default_params", context, []),
                ("llama_model_load_from_file", P, [C.c_char_p, model]), ("llama_init_from_model", P, [P, context]),
                ("llama_model_free llama_free_model", None, [P]), ("llama_free", None, [P]),
                ("llama_model_get_vocab llama_get_model_vocab", P, [P]), ("llama_vocab_n_tokens", I, [P]),
                ("llama_batch_init", batch, [I, I, I]), ("llama_batch_free", None, [batch]), ("llama_decode", I, [P, batch]),
                ("llama_get_logits_ith", C.POINTER(F), [P, I]), ("llama_synchronize", None, [P]), ("llama_print_system_info", C.c_char_p, []),
                ("llama_state_seq_get_size_ext llama_state_seq_get_size", Z, [P, I, U]),
                ("llama_state_seq_get_data_ext llama_state_seq_get_data", Z, [P, P, Z, I, U]),
                ("llama_state_seq_set_data_ext llama_state_seq_set_data", Z, [P, P, Z, I, U]),
                ("llama_memory_clear llama_kv_cache_clear", None, [P, B]),
                ("llama_memory_seq_rm llama_kv_cache_seq_rm", B, [P, I, I, I]),
                ("llama_tokenize", I, [P, C.c_char_p, I, C.POINTER(I), I, B, B]), ("llama_token_to_piece", I, [P, I, C.c_char_p, I, I, B])]:
            f = next(getattr(lib, name) for name in names.split() if hasattr(lib, name))
            f.restype, f.argtypes = result, arguments
            setattr(self, names.split()[0], f)
        if os.path.isdir(folder):
            self.ggml.ggml_backend_load_all_from_path(folder.encode())
        lib.llama_backend_init()

    def version(self):
        """What the library calls itself, as far as it says."""
        said = []
        for name in ("ggml_version", "ggml_commit"):
            if hasattr(self.ggml, name):
                f = getattr(self.ggml, name)
                f.restype = C.c_char_p
                said.append(f().decode())
        return " ".join(said)

    def open(self, path, n_ctx=512, threads=1, kv_type=0, flash=0, repack=False, n_batch=512):
        return Session(self, path, n_ctx, threads, kv_type, flash, repack, n_batch)


class Session:
    """One model and one context. kv_type: GGML number (0 F32, 1 F16, 8 Q8_0); flash: -1 auto, 0 off, 1 on; repack: interleaved weight layouts."""

    def __init__(self, llama, path, n_ctx, threads, kv_type, flash, repack, n_batch):
        self.llama, self.threads = llama, threads
        mp = llama.llama_model_default_params()
        mp.n_gpu_layers = 0
        setattr(mp, "use_extra_bufts" if hasattr(mp, "use_extra_bufts") else "repack_tensors", repack)
        self.model = llama.llama_model_load_from_file(path.encode(), mp)
        if not self.model:
            raise SystemExit("llama.cpp does not load %s (LLAMA_LOG=1 shows why)" % path)
        self.vocab = llama.llama_model_get_vocab(self.model)
        self.size = llama.llama_vocab_n_tokens(self.vocab)
        self.context = None
        self.reopen(n_ctx, kv_type, flash, n_batch)

    def reopen(self, n_ctx, kv_type, flash, n_batch):
        """A new, empty context on the same model."""
        llama = self.llama
        self.drop_context()
        cp = llama.llama_context_default_params()
        if cp.n_ctx != 512 or cp.n_ubatch != 512 or cp.type_k != 1:
            raise SystemExit("The structures do not fit this library: its default n_ctx reads as %d." % cp.n_ctx)
        cp.n_ctx, cp.n_batch, cp.n_ubatch, cp.n_threads, cp.n_threads_batch = n_ctx, n_batch, min(n_batch, 512), self.threads, self.threads
        cp.type_k, cp.type_v, cp.no_perf = kv_type, kv_type, True
        if hasattr(cp, "flash_attn_type"): cp.flash_attn_type = flash
        else: cp.flash_attn = flash != 0
        self.context = llama.llama_init_from_model(self.model, cp)
        if not self.context:
            raise SystemExit("llama.cpp does not make a context of %d tokens, KV type %d, flash %d (LLAMA_LOG=1 shows why)" % (n_ctx, kv_type, flash))
        self.batch = llama.llama_batch_init(n_batch, 0, 1)

    def decode(self, tokens, first, all_logits):
        """Runs tokens at positions first, first + 1, ..."""
        n = len(tokens)
        array = lambda field, kind: C.cast(getattr(self.batch, field), C.POINTER(kind))
        token, pos, count, seq, want = array("token", I), array("pos", I), array("n_seq_id", I), array("seq_id", C.POINTER(I)), array("logits", C.c_int8)
        for i, t in enumerate(tokens):
            token[i], pos[i], count[i], want[i] = t, first + i, 1, 1 if all_logits or i == n - 1 else 0
            seq[i][0] = 0
        self.batch.n_tokens = n
        if self.llama.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        self.llama.llama_synchronize(self.context)

    def logits(self, row):
        return self.llama.llama_get_logits_ith(self.context, row)[:self.size]

    def clear(self):
        self.llama.llama_memory_clear(self.memory(), True)

    def cut(self, length):
        """Forgets what lies at position length and behind it."""
        self.llama.llama_memory_seq_rm(self.memory(), -1, length, -1)

    def state(self):
        """The KV state of the sequence, as bytes."""
        size = self.llama.llama_state_seq_get_size_ext(self.context, 0, 0)
        blob = C.create_string_buffer(size)
        if self.llama.llama_state_seq_get_data_ext(self.context, blob, size, 0, 0) != size:
            raise SystemExit("llama.cpp does not give its KV state")
        return blob.raw

    def set_state(self, blob):
        """Replaces the KV state of the sequence by the bytes of a bytearray."""
        if self.llama.llama_state_seq_set_data_ext(self.context, (C.c_char * len(blob)).from_buffer(blob), len(blob), 0, 0) != len(blob):
            raise SystemExit("llama.cpp does not take a KV state of %d bytes (LLAMA_LOG=1 shows why)" % len(blob))

    def memory(self):
        """What the cache calls want: the memory of the context, or the context itself in builds from before llama_get_memory."""
        if not hasattr(self.llama.lib, "llama_get_memory"):
            return self.context
        get = self.llama.lib.llama_get_memory
        get.restype, get.argtypes = P, [P]
        return get(self.context)

    def tokenize(self, text, begin):
        raw, ids = text.encode(), (I * 4096)()
        n = self.llama.llama_tokenize(self.vocab, raw, len(raw), ids, 4096, begin, False)
        return list(ids[:n])

    def piece(self, token):
        buffer = C.create_string_buffer(256)
        n = self.llama.llama_token_to_piece(self.vocab, token, buffer, 256, 0, False)
        return buffer.raw[:n]

    def drop_context(self):
        if self.context:
            self.llama.llama_batch_free(self.batch)
            self.llama.llama_free(self.context)
            self.context = None

    def close(self):
        self.drop_context()
        self.llama.llama_model_free(self.model)
