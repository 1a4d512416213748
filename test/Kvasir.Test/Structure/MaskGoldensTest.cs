using System.Buffers;
using System.IO.Compression;
using System.Text.Json;
using Kvasir.Calls;
using Kvasir.Structure;
using Kvasir.Structure.Patterns;
using Kvasir.Text;

namespace Kvasir.Test.Structure;

/// <summary>
/// Masks held against XGrammar's: along random beginnings of answers to schemas of every kind, the tokens that may come next are its own where neither has white
/// space. With white space, about which everybody has his own rule, they are those and others that have some.
/// </summary>
public sealed class MaskGoldensTest
{
    // Bytes that are in no character, which XGrammar lets through in strings.
    private static readonly SearchValues<byte> NoUtf8 = SearchValues.Create([0xC0, 0xC1, .. Enumerable.Range(0xF5, 11).Select(static value => (byte)value)]);
    private static readonly SearchValues<byte> NotPlain = SearchValues.Create([(byte)'\\', .. Enumerable.Range(0, 32).Select(static value => (byte)value)]);

    [Theory]
    [InlineData("stories260K", true)]
    [InlineData("stories260K", false)]
    [InlineData("llama3", true)]
    [InlineData("llama3", false)]
    public void TheTokensThatMayComeNextAreThoseOfXGrammar(string vocabulary, bool isCompact)
    {
        var (goldens, constraints) = (Goldens.Read(), Vocabularies.Of(vocabulary));
        var tokenizer = constraints.Vocabulary.Tokenizer;
        var (checkedCount, differences) = (0, new List<string>());
        foreach (var golden in goldens.Cases.Where(golden => golden.Vocabulary == vocabulary))
        {
            // Where the length or the form of a string is said, XGrammar lets control characters through and knows no escapes.
            var isPlain = golden.Schema.Contains("Length", StringComparison.Ordinal) || golden.Schema.Contains("pattern", StringComparison.Ordinal);
            bool Counts(int token) => !tokenizer.IsControl(token) && !tokenizer.Bytes(token).ContainsAny(NoUtf8) && !(isPlain && tokenizer.Bytes(token).ContainsAny(NotPlain));
            var cursor = constraints.Compile(new AnswerDemand { Schema = golden.Schema }, isCompact, new CompileBudget()).Begin();
            var said = "";
            foreach (var step in golden.Steps)
            {
                bool IsOurs(int token) => !isCompact && tokenizer.Bytes(token).IndexOfAny(" \n"u8) >= 0;
                if (Difference(tokenizer, cursor, goldens.Masks[step[0]], goldens.Ends[vocabulary], Counts, IsOurs) is { } difference)
                    differences.Add($"{golden.Schema} behind {said}: {difference}");
                checkedCount++;
                if (step[1] < 0 || cursor.IsOver || cursor.Allowed?.Allows(step[1]) == false)
                    break;
                said += tokenizer.Piece(step[1]);
                cursor.Advance(step[1]);
            }
        }

        Assert.True(differences.Count == 0, $"{differences.Count} of {checkedCount} masks differ:\n{string.Join('\n', differences.DistinctBy(static difference => difference[..difference.IndexOf(" behind ", StringComparison.Ordinal)]).Take(60))}");
        Assert.True(checkedCount > 1000, $"{checkedCount} masks are too few");
    }

    // Whether the answer may end is the end token's place in theirs; with us it is over where nothing else may come.
    private static string? Difference(Tokenizer tokenizer, ConstraintCursor cursor, byte[] mask, int end, Func<int, bool> counts, Func<int, bool> isOurs)
    {
        var (missing, beyond) = (new List<string>(), new List<string>());
        for (var token = 0; token < tokenizer.VocabularySize; token++)
        {
            if (token != end && !counts(token))
                continue;
            var isAllowed = token == end ? cursor.IsOver || cursor.Allowed!.Allows(token) : !cursor.IsOver && cursor.Allowed!.Allows(token);
            if (Has(mask, token) && !isAllowed)
                missing.Add(tokenizer.Piece(token));
            else if (isAllowed && !Has(mask, token) && !isOurs(token))
                beyond.Add(tokenizer.Piece(token));
        }

        return missing.Count + beyond.Count == 0 ? null
            : $"{missing.Count} missing ({string.Join(' ', missing.Take(12))}), {beyond.Count} beyond ({string.Join(' ', beyond.Take(12))})";
    }

    private static bool Has(byte[] mask, int token) => (mask[token >> 3] >> (token & 7) & 1) != 0;

    private sealed record Case(string Vocabulary, string Schema, int[][] Steps);

    private sealed record Goldens(Dictionary<string, int> Ends, byte[][] Masks, Case[] Cases)
    {
        public static Goldens Read()
        {
            using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Masks", "masks.json.br"));
            using var unpacked = new BrotliStream(file, CompressionMode.Decompress);
            var raw = JsonSerializer.Deserialize<Raw>(unpacked, JsonSerializerOptions.Web)!;
            return new Goldens(raw.Ends, [.. raw.Masks.Select(Convert.FromHexString)], raw.Cases);
        }

        private sealed record Raw(Dictionary<string, int> Ends, string[] Masks, Case[] Cases);
    }
}
