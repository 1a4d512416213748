using System.IO.Compression;
using System.Text.Json;
using Kvasir.Files;
using Kvasir.Text;

namespace Kvasir.Test.Support;

/// <summary>The goldens that tools/tokenizer-goldens makes: a corpus, small vocabularies, and what the references give for them.</summary>
internal static class TokenizerFixture
{
    private static readonly Lazy<string[]> Lines = new(ReadCorpus);

    public static string[] Corpus => Lines.Value;

    public static Tokenizer FromJson(string vocabulary) => FromJson(Unpack(vocabulary + ".json"));

    /// <summary>A tokenizer from the text of a tokenizer.json.</summary>
    public static Tokenizer FromJson(byte[] json, Notes? notes = null)
    {
        var folder = Directory.CreateTempSubdirectory("kvasir-tokenizer-");
        try
        {
            File.WriteAllBytes(Path.Combine(folder.FullName, "tokenizer.json"), json);
            return Tokenizer.FromFolder(folder.FullName, notes);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    public static Tokenizer FromGguf(string vocabulary) => FromGguf(Unpack(vocabulary + ".gguf"));

    /// <summary>A tokenizer from the bytes of a GGUF file.</summary>
    public static Tokenizer FromGguf(byte[] bytes) => FromGguf(bytes, out _);

    /// <param name="notes">What was passed over.</param>
    public static Tokenizer FromGguf(byte[] bytes, out IReadOnlyList<string> notes)
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, bytes);
            using var gguf = Gguf.Open(path);
            var tokenizer = Tokenizer.FromGguf(gguf.Metadata, "vocabulary.gguf");
            notes = gguf.Metadata.Notes.Lines;
            return tokenizer;
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>
    /// What a reference gives, by line of the corpus, null where it was not tried. Varints: the step between the lines that were
    /// tried, then per line its distance to the last one, the count of ids, the ids; lines left out are as in <paramref name="same"/>.
    /// </summary>
    public static int[]?[] Tokens(string name, int[]?[]? same = null)
    {
        using var reader = new BinaryReader(new MemoryStream(Unpack(name + ".ids")));
        var tokens = new int[]?[Corpus.Length];
        var step = reader.Read7BitEncodedInt();
        for (var line = 0; line < tokens.Length; line += step)
            tokens[line] = same?[line];
        for (var line = 0; reader.BaseStream.Position < reader.BaseStream.Length;)
        {
            line += reader.Read7BitEncodedInt();
            var ids = new int[reader.Read7BitEncodedInt()];
            for (var i = 0; i < ids.Length; i++)
                ids[i] = reader.Read7BitEncodedInt();
            tokens[line] = ids;
        }
        return tokens;
    }

    public static byte[] Unpack(string name)
    {
        using var packed = new BrotliStream(File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Tokenizers", name + ".br")), CompressionMode.Decompress);
        var bytes = new MemoryStream();
        packed.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static string[] ReadCorpus()
    {
        var lines = System.Text.Encoding.UTF8.GetString(Unpack("corpus.jsonl")).TrimEnd('\n').Split('\n');
        return Array.ConvertAll(lines, static line => JsonSerializer.Deserialize<string>(line)!);
    }
}
