using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Matrix;
using Kvasir.Tiers;

namespace Kvasir.Test.Tiers;

/// <summary>Files of saved rows in which something is wrong: none of them is taken, and what is answered afterwards is what a fresh process answers.</summary>
public sealed class SavedDamageTest : IDisposable
{
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 1 << 20, PrefixCache = true };
    private readonly TempFolder _folder = new();
    private readonly Model _model;
    private readonly Engine _engine;
    private readonly string _file;
    private readonly int[] _prompt = [.. Enumerable.Range(0, 70).Select(static i => 1 + (i * 7 % 11))];
    private byte[] _sound = [];

    public SavedDamageTest()
    {
        _model = Model.Load(_folder.Write("tiny.gguf", TinyModel.Gguf(matrices: WeightType.F32).Set("tokenizer.ggml.model", "llama").Build()));
        _engine = new Engine(_model, Options);
        _file = _folder.File("rows.kv");
    }

    public void Dispose()
    {
        _engine.Dispose();
        _model.Dispose();
        _folder.Dispose();
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void EveryByteThatIsFlippedIsAnError()
    {
        Save(Options);
        using var file = new FileStream(_file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        for (var at = 0; at < _sound.Length; at++)
        {
            Write(file, at, (byte)(_sound[at] ^ (1 << (at % 8))));
            AssertRefused($"byte {at} of {_sound.Length}");
            Write(file, at, _sound[at]);
        }

        Assert.Equal(64, _engine.LoadKv(_file).Tokens);
    }

    [Fact]
    public void AFileThatIsCutShortOrHasMoreIsAnError()
    {
        Save(Options);
        for (var length = 0; length < _sound.Length; length += length < 64 || length > _sound.Length - 64 ? 1 : 61)
        {
            File.WriteAllBytes(_file, _sound[..length]);
            AssertRefused($"{length} of {_sound.Length} bytes");
        }

        File.WriteAllBytes(_file, [.. _sound, 0]);
        AssertRefused("a byte more");
    }

    [Fact]
    public void ADamagedFileLeavesAnswersAsAFreshProcessGivesThem()
    {
        Save(Options);
        _sound[^5000] ^= 1;
        File.WriteAllBytes(_file, _sound);
        var message = AssertRefused("a flipped bit");
        Assert.Contains("rows.kv is damaged: column 1 of 2 is not what was written", message, StringComparison.Ordinal);
        var request = Generation.Greedy(30);
        using var fresh = new Engine(_model, Options);
        for (var turn = 0; turn < 2; turn++)
        {
            var (expected, actual) = (Generation.Run(fresh, _prompt, request), Generation.Run(_engine, _prompt, request));
            Assert.Equal(expected.Tokens, actual.Tokens);
            Assert.Equal(expected.Logprobs, actual.Logprobs);
            Assert.Equal(expected.Sequence.CachedTokens, actual.Sequence.CachedTokens);
        }
    }

    // Whoever writes a file of his own makes its sums right.
    [Theory]
    [InlineData("int8", 4)]
    [InlineData("int8-channel", 4)]
    [InlineData("int8-channel", 0)]
    [InlineData("int8", 0)]
    public void APageThatLeadsOutOfItselfIsRefusedThoughItsSumIsRight(string format, int at)
    {
        var options = Options with { Kv = new Kv(format) };
        Save(options);
        using (var saved = SavedRows.Open(_file))
        {
            var header = saved.Header;
            var column = _sound.AsSpan((int)(header.Bytes + header.ColumnBytes), (int)header.ColumnBytes);
            column[at + 1] ^= 0x55;
            header.Sums[1] = SavedHeader.Sum(column, 1);
            header.ToBytes().CopyTo(_sound, 0);
        }

        File.WriteAllBytes(_file, _sound);
        using var engine = new Engine(_model, options);
        var refusal = Assert.Throws<KvasirException>(() => engine.LoadKv(_file));
        Assert.Contains($"head 0 of column 1 is no page of {format}", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void WhatIsNoFileOfRowsIsSaidToBeNone()
    {
        Assert.Contains("cannot be read", Refusal(_folder.File("missing.kv")).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be read", Refusal(_folder.Path).Message, StringComparison.Ordinal);
        Assert.EndsWith("is no file of saved keys and values: it has 5 bytes", Refusal(_folder.Write("short.kv", "short")).Message, StringComparison.Ordinal);
        Assert.EndsWith("is no file of saved keys and values", Refusal(_folder.File("tiny.gguf")).Message, StringComparison.Ordinal);
        Save(Options);
        _sound[8] = 2;
        Assert.EndsWith("has version 2 of saved keys and values, and this engine knows version 1", Refusal(_folder.Write("later.kv", _sound)).Message, StringComparison.Ordinal);
    }

    private KvasirException Refusal(string path) => Assert.Throws<KvasirException>(() => _engine.LoadKv(path));

    private string AssertRefused(string what)
    {
        try
        {
            _engine.LoadKv(_file);
        }
        catch (KvasirException refusal)
        {
            Assert.True(_engine is { KvBytesInUse: 0, Prefixes.Tokens: 0 }, $"{what}: something was left");
            return refusal.Message;
        }

        Assert.Fail($"{what}: taken");
        return "";
    }

    private void Save(EngineOptions options)
    {
        using var engine = new Engine(_model, options);
        Generation.Run(engine, _prompt, Generation.Greedy(1));
        Assert.Equal(64, engine.SaveKv(_file, _prompt).Tokens);
        _sound = File.ReadAllBytes(_file);
    }

    private static void Write(FileStream file, int at, byte value)
    {
        file.Position = at;
        file.WriteByte(value);
    }
}
