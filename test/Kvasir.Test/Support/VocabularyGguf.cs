using System.Text;

namespace Kvasir.Test.Support;

/// <summary>Bytes of a GGUF file that holds tokenizer keys and no tensors.</summary>
internal sealed class VocabularyGguf
{
    private const uint Uint32 = 4, Int32 = 5, Float32 = 6, Bool = 7, Text = 8, Array = 9;

    private readonly Dictionary<string, Action<BinaryWriter>> _keys = new(StringComparer.Ordinal);

    public static VocabularyGguf SentencePiece() => new VocabularyGguf()
        .With("model", "llama").With("tokens", ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "a", "b", "ab", "\u2581a"])
        .With("scores", [0f, 0, 0, 0, -5, -4, -3, -2, -1]).With("token_type", [2, 3, 3, 6, 1, 1, 1, 1, 1]).With("bos_token_id", 1u).With("eos_token_id", 2u);

    public static VocabularyGguf ByteLevel(string pre) => new VocabularyGguf()
        .With("model", "gpt2").With("pre", pre).With("tokens", ["a", "b", "ab", "\u0120", "\u0120a", "<|end|>"]).With("token_type", [1, 1, 1, 1, 1, 3])
        .With("merges", ["a b", "\u0120 a"]).With("eos_token_id", 5u).With("bos_token_id", 5u);

    public VocabularyGguf With(string key, string value) => Set(key, writer => { writer.Write(Text); Write(writer, value); });

    public VocabularyGguf With(string key, uint value) => Set(key, writer => { writer.Write(Uint32); writer.Write(value); });

    public VocabularyGguf With(string key, int value) => Set(key, writer => { writer.Write(Int32); writer.Write(value); });

    public VocabularyGguf With(string key, bool value) => Set(key, writer => { writer.Write(Bool); writer.Write(value); });

    public VocabularyGguf With(string key, string[] values) => WithArray(key, Text, values, Write);

    public VocabularyGguf With(string key, int[] values) => WithArray(key, Int32, values, static (writer, value) => writer.Write(value));

    public VocabularyGguf With(string key, float[] values) => WithArray(key, Float32, values, static (writer, value) => writer.Write(value));

    public VocabularyGguf Without(string key)
    {
        _keys.Remove(key);
        return this;
    }

    public byte[] Bytes()
    {
        var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write(0L);
        writer.Write((long)_keys.Count);
        foreach (var (key, write) in _keys)
        {
            Write(writer, "tokenizer.ggml." + key);
            write(writer);
        }
        writer.Write(new byte[32]);
        return bytes.ToArray();
    }

    private VocabularyGguf WithArray<T>(string key, uint type, T[] values, Action<BinaryWriter, T> write) => Set(key, writer =>
    {
        writer.Write(Array);
        writer.Write(type);
        writer.Write((long)values.Length);
        foreach (var value in values)
            write(writer, value);
    });

    private VocabularyGguf Set(string key, Action<BinaryWriter> write)
    {
        _keys[key] = write;
        return this;
    }

    private static void Write(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((long)bytes.Length);
        writer.Write(bytes);
    }
}
