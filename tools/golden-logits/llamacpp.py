"""Logits from llama.cpp through the shared libraries that the npm package node-llama-cpp 3.22.1 brings (llama.cpp v0.5.0).

The structures below restate the C API of that release; another release needs another look at its llama.h.
"""
import ctypes as C
import glob, os

P, I, U, F, B = C.c_void_p, C.c_int32, C.c_uint32, C.c_float, C.c_bool


def struct(name, text):
    kinds = {"p": P, "i": I, "u": U, "f": F, "b": B, "z": C.c_size_t}
    fields = [(n, kinds[k]) for k, names in (part.split(":") for part in text.split()) for n in names.split(",")]
    return type(name, (C.Structure,), {"_fields_": fields})


ModelParams = struct("ModelParams", """p:devices,overrides i:gpu_layers,split,load_mode,lazy_mode,main_gpu p:tensor_split,progress,progress_data,kv_overrides
    b:vocab_only,check_tensors,use_extra_bufts,no_host,no_alloc,load_mtp""")
ContextParams = struct("ContextParams", """u:n_ctx,n_batch,n_ubatch,n_seq_max,n_rs_seq,n_outputs_max,n_outputs_max_per_seq i:n_threads,n_threads_batch
    i:ctx_type,rope_scaling,pooling,attention,flash_attn f:rope_base,rope_scale,yarn_ext,yarn_attn,yarn_fast,yarn_slow u:yarn_orig f:defrag
    p:cb_eval,cb_data i:type_k,type_v p:abort,abort_data b:embeddings,offload_kqv,no_perf,op_offload,swa_full,kv_unified p:samplers z:n_samplers p:other""")
Batch = struct("Batch", "i:n_tokens p:token,embd,pos,n_seq_id,seq_id,logits")


class LlamaCpp:
    def __init__(self, folder):
        """folder: node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"""
        find = lambda stem: glob.glob(os.path.join(folder, stem + "*.so*"))[0]
        C.CDLL(find("libggml-base"), C.RTLD_GLOBAL)
        ggml = C.CDLL(find("libggml.v"), C.RTLD_GLOBAL)
        self.lib = lib = C.CDLL(find("libllama.v"), C.RTLD_GLOBAL)
        self.silent = C.CFUNCTYPE(None, I, C.c_char_p, P)(lambda level, text, data: None)
        if not os.environ.get("LLAMA_LOG"):
            lib.llama_log_set(self.silent, None)
        ggml.ggml_backend_load_all_from_path(folder.encode())
        for name, result, arguments in [
                ("llama_model_default_params", ModelParams, []), ("llama_context_default_params", ContextParams, []),
                ("llama_model_load_from_file", P, [C.c_char_p, ModelParams]), ("llama_init_from_model", P, [P, ContextParams]),
                ("llama_model_free", None, [P]), ("llama_free", None, [P]), ("llama_model_get_vocab", P, [P]), ("llama_vocab_n_tokens", I, [P]),
                ("llama_batch_init", Batch, [I, I, I]), ("llama_batch_free", None, [Batch]), ("llama_decode", I, [P, Batch]),
                ("llama_get_logits_ith", C.POINTER(F), [P, I]), ("llama_get_memory", P, [P]), ("llama_memory_clear", None, [P, B]),
                ("llama_synchronize", None, [P]),
                ("llama_tokenize", I, [P, C.c_char_p, I, C.POINTER(I), I, B, B]), ("llama_token_to_piece", I, [P, I, C.c_char_p, I, I, B])]:
            f = getattr(lib, name)
            f.restype, f.argtypes = result, arguments
        lib.llama_backend_init()

    def open(self, path, n_ctx=512, threads=1, kv_type=0, flash=0, repack=False, n_batch=512):
        return Session(self.lib, path, n_ctx, threads, kv_type, flash, repack, n_batch)


class Session:
    """One model and one context. kv_type: GGML number (0 F32, 1 F16); flash: -1 auto, 0 off, 1 on; repack: llama.cpp's interleaved weight layouts."""

    def __init__(self, lib, path, n_ctx, threads, kv_type, flash, repack, n_batch):
        self.lib = lib
        mp = lib.llama_model_default_params()
        mp.gpu_layers, mp.use_extra_bufts = 0, repack
        self.model = lib.llama_model_load_from_file(path.encode(), mp)
        if not self.model:
            raise SystemExit("llama.cpp does not load %s (LLAMA_LOG=1 shows why)" % path)
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.size = lib.llama_vocab_n_tokens(self.vocab)
        cp = lib.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch, cp.n_threads, cp.n_threads_batch = n_ctx, n_batch, min(n_batch, 512), threads, threads
        cp.type_k, cp.type_v, cp.flash_attn, cp.no_perf = kv_type, kv_type, flash, True
        self.context = lib.llama_init_from_model(self.model, cp)
        self.batch = lib.llama_batch_init(n_batch, 0, 1)

    def decode(self, tokens, first, all_logits):
        """Runs tokens at positions first, first + 1, ..."""
        n = len(tokens)
        array = lambda field, kind: C.cast(getattr(self.batch, field), C.POINTER(kind))
        token, pos, count, seq, want = array("token", I), array("pos", I), array("n_seq_id", I), array("seq_id", C.POINTER(I)), array("logits", C.c_int8)
        for i, t in enumerate(tokens):
            token[i], pos[i], count[i], want[i] = t, first + i, 1, 1 if all_logits or i == n - 1 else 0
            seq[i][0] = 0
        self.batch.n_tokens = n
        if self.lib.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        self.lib.llama_synchronize(self.context)

    def logits(self, row):
        return self.lib.llama_get_logits_ith(self.context, row)[:self.size]

    def clear(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def tokenize(self, text, begin):
        raw, ids = text.encode(), (I * 4096)()
        n = self.lib.llama_tokenize(self.vocab, raw, len(raw), ids, 4096, begin, False)
        return list(ids[:n])

    def piece(self, token):
        buffer = C.create_string_buffer(256)
        n = self.lib.llama_token_to_piece(self.vocab, token, buffer, 256, 0, False)
        return buffer.raw[:n]

    def close(self):
        self.lib.llama_batch_free(self.batch)
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)
