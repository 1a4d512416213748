using System.Text;
using System.Text.RegularExpressions;
using Kvasir.Kernels.Matrix;
using Kvasir.Test.Models;

namespace Kvasir.Test.Files;

/// <summary>Every 23rd of the damaged files: extremes come in other numbers, so that each place and each extreme has its turn.</summary>
public sealed class FormatFuzzTest() : FormatFuzz(every: 23);

/// <summary>All of them.</summary>
[Trait("Needs", "Minutes")]
public sealed class WholeFormatFuzzTest() : FormatFuzz(every: 1);

/// <summary>Thousands of damaged files of each format: see <see cref="DamageProbe"/> for what is held.</summary>
/// <param name="every">Of so many cases one is tried.</param>
public abstract class FormatFuzz(int every)
{
    private const int Seed = 20_251_121;
    private const int RandomCases = 1500;

    // Values of JSON fields; 1e999 is more than a double holds.
    private static readonly string[] JsonExtremes =
    [
        "null", "true", "-1", "0", "1", "7", "0.5", "1e308", "1e999", "-1e999", "2147483648", "9223372036854775807", "18446744073709551616",
        "\"text\"", "\"\\ud800\"", "[]", "{}", "[[1]]", "{\"a\":{}}", "NaN", "\"F64\"", "\"../../etc/passwd\"",
    ];

    [Fact]
    public void SoundFilesLoad()
    {
        using var probe = new DamageProbe();
        probe.Gguf(TinyModel.Gguf().Build(), "none");
        TinyModel.WriteFolder(probe.Folder);
        probe.LoadFolder("model.safetensors", "none");
        Assert.Equal((2, 0), (probe.Loaded, probe.Refused));
    }

    [Fact]
    public void GgufTruncatedAnywhereIsRefused()
    {
        using var probe = new DamageProbe();
        var writer = TinyModel.Gguf();
        var file = writer.Build();
        for (var bytes = 0; bytes < writer.HeaderBytes; bytes += every)
            probe.Gguf(file[..bytes], $"cut to {bytes} bytes");
        var random = new Random(Seed);
        for (var i = 0; i < 100; i += every)
        {
            var bytes = random.Next(writer.HeaderBytes, file.Length - 32);
            probe.Gguf(file[..bytes], $"cut to {bytes} bytes");
        }

        Assert.Equal(0, probe.Loaded);
    }

    [Fact]
    public void GgufWithAnyNumberOfItsHeaderReplacedLoadsOrIsRefused()
    {
        using var probe = new DamageProbe();
        var writer = TinyModel.Gguf(matrices: WeightType.Q4_0);
        var sound = writer.Build();
        var cases = writer.Fields.DistinctBy(field => field.Name).SelectMany(static field => DamageProbe.Extremes, static (field, extreme) => (field, extreme));
        foreach (var ((name, offset, bytes), extreme) in Tried(cases))
        {
            var file = (byte[])sound.Clone();
            BitConverter.GetBytes(extreme).AsSpan(0, bytes).CopyTo(file.AsSpan(offset));
            probe.Gguf(file, $"{name} = {extreme}");
        }

        Assert.True(probe.Refused > 1000 / every, $"{probe.Refused} refused, {probe.Loaded} loaded");
    }

    [Fact]
    public void GgufWithRandomBytesReplacedLoadsOrIsRefused()
    {
        using var probe = new DamageProbe();
        var random = new Random(Seed);
        var writer = TinyModel.Gguf("qwen3");
        var sound = writer.Build();
        for (var i = 0; i < RandomCases / every; i++)
        {
            var file = (byte[])sound.Clone();
            Scramble(file.AsSpan(0, writer.HeaderBytes), random);
            probe.Gguf(file, $"seed {Seed} case {i}");
        }

        Assert.True(probe.Refused > RandomCases / every / 4, $"{probe.Refused} refused, {probe.Loaded} loaded");
    }

    [Fact]
    public void SafetensorsTruncatedAnywhereIsRefused()
    {
        using var probe = new DamageProbe();
        TinyModel.WriteFolder(probe.Folder);
        var writer = TinyModel.Safetensors();
        var file = writer.Build();
        var headerBytes = 8 + writer.Header().Length;
        for (var bytes = 0; bytes < file.Length; bytes += bytes < headerBytes + 16 ? every : 97 * every)
        {
            probe.Folder.Write("model.safetensors", file[..bytes]);
            probe.LoadFolder("model.safetensors", $"cut to {bytes} bytes");
        }

        Assert.Equal(0, probe.Loaded);
    }

    [Fact]
    public void SafetensorsWithAnyValueOfItsHeaderReplacedLoadsOrIsRefused()
    {
        using var probe = new DamageProbe();
        TinyModel.WriteFolder(probe.Folder);
        var writer = TinyModel.Safetensors();
        var header = writer.Header();
        foreach (var damaged in Tried(JsonMutations(header)))
        {
            probe.Folder.Write("model.safetensors", writer.Build(damaged));
            probe.LoadFolder("model.safetensors", damaged);
        }

        foreach (var extreme in DamageProbe.Extremes)
        {
            probe.Folder.Write("model.safetensors", writer.Build(headerBytes: extreme));
            probe.LoadFolder("model.safetensors", $"header length {extreme}");
        }

        Assert.True(probe.Refused > 1000 / every, $"{probe.Refused} refused, {probe.Loaded} loaded");
    }

    [Fact]
    public void SafetensorsWithRandomBytesReplacedLoadsOrIsRefused()
    {
        using var probe = new DamageProbe();
        TinyModel.WriteFolder(probe.Folder);
        var random = new Random(Seed);
        var writer = TinyModel.Safetensors();
        var sound = writer.Build();
        for (var i = 0; i < RandomCases / every; i++)
        {
            var file = (byte[])sound.Clone();
            Scramble(file.AsSpan(0, 8 + writer.Header().Length), random);
            probe.Folder.Write("model.safetensors", file);
            probe.LoadFolder("model.safetensors", $"seed {Seed} case {i}");
        }

        Assert.True(probe.Refused > RandomCases / every / 4, $"{probe.Refused} refused, {probe.Loaded} loaded");
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    public void JsonFilesWithAnyValueReplacedLoadOrAreRefused(string fileName)
    {
        using var probe = new DamageProbe();
        TinyModel.WriteFolder(probe.Folder);
        var sound = fileName == "config.json"
            ? TinyModel.Config("llama", ("rope_scaling", """{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 32, "mscale": 1}"""))
            : """{"do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "eos_token_id": [1, 2]}""";
        foreach (var damaged in Tried(JsonMutations(sound).Concat(Prefixes(sound)).Concat(Scrambled(sound, 500))))
        {
            probe.Folder.Write(fileName, damaged);

            // A sound configuration of another model is at odds with the tensors, whose file is named then.
            probe.LoadFolder(probe.Folder.Path, damaged);
        }

        // Sampling is advice, whatever a file says of it.
        Assert.True(fileName == "config.json" ? probe.Refused > 100 / every : probe.Refused == 0, $"{probe.Refused} refused, {probe.Loaded} loaded");
    }

    [Fact]
    public void IndexWithAnyValueReplacedLoadsOrIsRefused()
    {
        using var probe = new DamageProbe();
        probe.Folder.Write("config.json", TinyModel.Config());
        var writer = TinyModel.Safetensors();
        probe.Folder.Write("a.safetensors", writer.Part(i => i % 2 == 0).Build());
        probe.Folder.Write("b.safetensors", writer.Part(i => i % 2 == 1).Build());
        var map = writer.Names.Select((name, i) => $"\"{name}\": \"{(i % 2 == 0 ? "a" : "b")}.safetensors\"");
        var sound = $"{{\"metadata\": {{\"total_size\": 1}}, \"weight_map\": {{{string.Join(", ", map)}}}}}";
        const string Index = "model.safetensors.index.json";
        foreach (var damaged in Tried(JsonMutations(sound).Concat(Prefixes(sound)).Concat(Scrambled(sound, 500))).Append(sound))
        {
            probe.Folder.Write(Index, damaged);

            // A shard under another name is missing, and a tensor that the index leaves out is found all the same.
            probe.LoadFolder(probe.Folder.Path, damaged);
        }

        Assert.True(probe.Refused > 500 / every && probe.Loaded > 0, $"{probe.Refused} refused, {probe.Loaded} loaded");
    }

    public static TheoryData<string> Families =>
        [.. GoldenLogitsTable.Committed.Cases.Where(golden => golden.Tensors[0].Stream >= 700_000 && golden.Name.Contains("-f32", StringComparison.Ordinal)).Select(golden => golden.Name)];

    [Theory, MemberData(nameof(Families))]
    [Trait("Needs", "Seconds")]
    public void FilesOfEveryFamilyLoadOrAreRefused(string name)
    {
        using var probe = new DamageProbe();
        var golden = GoldenLogitsTable.Committed.Cases.Single(golden => golden.Name == name);
        using var model = new RandomModel(golden, GoldenLogitsTable.Committed);
        if (golden.Format == "gguf")
        {
            FuzzHeader(probe, File.ReadAllBytes(model.Path), golden);
        }
        else
        {
            File.Copy(Path.Combine(model.Path, "model.safetensors"), Path.Combine(probe.Folder.Path, "model.safetensors"));
            var cases = JsonMutations(golden.Config!.TrimEnd()).Concat(Scrambled(golden.Config, 200)).Where((_, i) => i % (4 * every) == 0);
            foreach (var damaged in cases.Append(golden.Config))
            {
                probe.Folder.Write("config.json", damaged);
                probe.LoadFolder(probe.Folder.Path, damaged);
            }
        }

        Assert.True(probe.Refused > 0 && probe.Loaded > 0, $"{probe.Refused} refused, {probe.Loaded} loaded");
    }

    // The keys of the architecture come first, the tokenizer behind them.
    private void FuzzHeader(DamageProbe probe, byte[] sound, GoldenLogitsCase golden)
    {
        var random = new Random(Seed);
        var end = sound.AsSpan().IndexOf("tokenizer.ggml"u8);
        probe.Gguf(sound, "none");
        for (var i = 0; i < 400 / every; i++)
        {
            var beginning = sound[..end];
            Scramble(beginning.AsSpan(24), random);
            probe.GgufBeginning(beginning, $"{golden.Name}: seed {Seed} case {i}");
        }
    }

    private IEnumerable<T> Tried<T>(IEnumerable<T> cases) => cases.Where((_, i) => i % every == 0);

    private static void Scramble(Span<byte> header, Random random)
    {
        for (var left = random.Next(1, 5); left > 0; left--)
        {
            var at = random.Next(header.Length);
            switch (random.Next(4))
            {
                case 0:
                    header[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    header[at] = (byte)random.Next(256);
                    break;
                case 2:
                    header.Slice(at, Math.Min(8, header.Length - at)).Fill((byte)(random.Next(2) * 255));
                    break;
                default:
                    var bytes = random.Next(1, 1 + Math.Min(64, header.Length - at));
                    header.Slice(random.Next(header.Length - bytes + 1), bytes).CopyTo(header.Slice(at, bytes));
                    break;
            }
        }
    }

    /// <summary>Each value and each name replaced by each extreme, each pair of neighbouring names made equal, and deep nesting.</summary>
    private static IEnumerable<string> JsonMutations(string json)
    {
        foreach (Match value in Regex.Matches(json, """(?<=[:\[,]\s*)("[^"]*"|-?[0-9.e+-]+|true|false|null)(?=\s*[,\]}])"""))
        {
            foreach (var extreme in JsonExtremes)
                yield return $"{json[..value.Index]}{extreme}{json[(value.Index + value.Length)..]}";
        }

        string? before = null;
        foreach (Match name in Regex.Matches(json, @"""[^""]*""(?=\s*:)"))
        {
            foreach (var other in (string[])["\"\"", "\"\\ud800\"", "\"a\\nb\"", before ?? "1", $"\"{new string('n', 5000)}\""])
                yield return $"{json[..name.Index]}{other}{json[(name.Index + name.Length)..]}";
            before = name.Value;
        }

        foreach (var depth in (int[])[5, 100, 10_000, 100_000])
            yield return $"{json[..^1]}, \"deep\": {new string('[', depth)}{new string(']', depth)}}}";
    }

    private static IEnumerable<string> Prefixes(string text)
    {
        for (var chars = 0; chars < text.Length; chars++)
            yield return text[..chars];
    }

    private static IEnumerable<string> Scrambled(string text, int count)
    {
        var random = new Random(Seed);
        for (var i = 0; i < count; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            Scramble(bytes, random);
            yield return Encoding.Latin1.GetString(bytes);
        }
    }
}
