using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Kvasir.Calls;
using Kvasir.Structure;

namespace Kvasir.Test.Structure;

public sealed class RandomSchemaTest
{
    private const int MostTokens = 100;
    private static readonly JsonSerializerOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonSerializerOptions Indented = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, WriteIndented = true };

    public static TheoryData<string> Vocabulary => new(Vocabularies.Names);

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Vocabulary))]
    public void EveryValueIsAcceptedInWhateverTokensItComes(string vocabulary) => Gen.Int.Sample(
        seed =>
        {
            var (schema, value) = RandomSchema.Of(seed);
            var constraint = Vocabularies.Of(vocabulary).Schema(schema.ToJsonString(), isStrict: true);
            var dice = new Random(seed + 1);
            for (var i = 0; i < 4; i++)
            {
                var text = JsonSerializer.Serialize(value(dice), i % 2 == 0 ? Compact : Indented);
                RequireAccepted(constraint, text, dice);
            }
        },
        iter: 60);

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Vocabulary))]
    public void AWalkThroughMasksEndsInAValueOfTheSchema(string vocabulary) => Gen.Int.Sample(
        seed =>
        {
            var (schema, _) = RandomSchema.Of(seed);
            var constraint = Vocabularies.Of(vocabulary).Schema(schema.ToJsonString(), isStrict: true);
            var judge = Json.Schema.JsonSchema.FromText(schema.ToJsonString());
            for (var i = 0; i < 3; i++)
            {
                var text = Walk(constraint, new Random(seed + i));
                using var value = JsonDocument.Parse(text);
                // The judge counts what a reader sees as one letter, where the rule is code points.
                if (new StringInfo(text).LengthInTextElements != text.EnumerateRunes().Count())
                    continue;
                // The judge reads numbers as decimals, which end at 28 digits.
                if (Record.Exception(() => Assert.True(judge.Evaluate(value.RootElement).IsValid, $"{schema.ToJsonString()} does not have {text}")) is { } problem and not FormatException)
                    throw problem;
            }
        },
        iter: 40);

    // Masks are shared by states that differ in what no token can reach; the walk of each token alone knows nothing of that.
    [Theory]
    [MemberData(nameof(Vocabulary))]
    public void AMaskHasTheTokensWhoseBytesAreAccepted(string vocabulary) => Gen.Int.Sample(
        seed =>
        {
            var (schema, value) = RandomSchema.Of(seed);
            var constraint = Vocabularies.Of(vocabulary).Schema(schema.ToJsonString(), isStrict: true);
            var (automaton, tokenizer) = (constraint.Automaton, constraint.Automaton.Vocabulary.Tokenizer);
            var text = JsonSerializer.SerializeToUtf8Bytes(value(new Random(seed)), Indented);
            var state = automaton.Start;
            for (var i = 0; i < text.Length; i += 7)
            {
                for (var token = 0; token < tokenizer.VocabularySize; token++)
                {
                    var bytes = tokenizer.Bytes(token);
                    var next = bytes.IsEmpty ? state : automaton.Next(state, token);
                    var isAllowed = tokenizer.IsEnd(token) ? state.IsComplete : !bytes.IsEmpty && next is not { IsOver: true, IsComplete: false };
                    Assert.True(isAllowed == automaton.Mask(state).Allows(token), $"token {token} behind {Encoding.UTF8.GetString(text[..i])}");
                }

                foreach (var b in text.AsSpan(i, Math.Min(7, text.Length - i)))
                    state = automaton.Next(state, b);
            }
        },
        iter: vocabulary == "tekken" ? 2 : 6);

    private static void RequireAccepted(JsonConstraint constraint, string text, Random dice)
    {
        var (automaton, cursor) = (constraint.Automaton, constraint.Begin());
        var (tokenizer, bytes) = (automaton.Vocabulary.Tokenizer, Encoding.UTF8.GetBytes(text));
        for (var at = 0; at < bytes.Length;)
        {
            int[] fitting = [.. Prefixes(automaton.Vocabulary, bytes.AsSpan(at))];
            Assert.True(fitting.Length > 0, $"no token spells byte {at} of {text}");
            var token = fitting[dice.Next(fitting.Length)];
            Assert.True(cursor.Allowed!.Allows(token), $"token {token} '{tokenizer.Piece(token)}' at byte {at} of {text}");
            cursor.Advance(token);
            at += tokenizer.Bytes(token).Length;
        }

        Assert.True(cursor.IsOver || tokenizer.EndTokens.All(cursor.Allowed!.Allows), text);
    }

    // All tokens that a text begins with.
    private static List<int> Prefixes(VocabularyTrie vocabulary, ReadOnlySpan<byte> text)
    {
        var found = new List<int>();
        for (int node = 0, depth = 1; node < vocabulary.Bytes.Length && depth <= text.Length;)
        {
            if (vocabulary.Depths[node] < depth)
                break;
            if (vocabulary.Bytes[node] != text[depth - 1])
            {
                node = vocabulary.Skips[node];
                continue;
            }

            if (vocabulary.Tokens[node] >= 0)
                found.Add(vocabulary.Tokens[node]);
            (node, depth) = (node + 1, depth + 1);
        }

        return found;
    }

    // Any tokens at first; then the bytes that are nearest to an end.
    private static string Walk(JsonConstraint constraint, Random dice)
    {
        var (automaton, tokenizer, bytes) = (constraint.Automaton, constraint.Automaton.Vocabulary.Tokenizer, new List<byte>());
        var state = automaton.Start;
        for (var step = 0; step < MostTokens && !state.IsOver; step++)
        {
            var mask = automaton.Mask(state);
            int[] allowed = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(mask.Allows)];
            Assert.Equal(mask.Count, allowed.Length);
            var token = allowed[dice.Next(allowed.Length)];
            if (tokenizer.IsEnd(token))
                break;
            bytes.AddRange(tokenizer.Bytes(token));
            state = automaton.Next(state, token);
        }

        return Encoding.UTF8.GetString([.. bytes, .. Ending(automaton, state)]);
    }

    private static byte[] Ending(GrammarAutomaton automaton, GrammarState state)
    {
        var (seen, open) = (new HashSet<GrammarState> { state }, new Queue<(GrammarState State, byte[] Bytes)>([(state, [])]));
        while (open.TryDequeue(out var at))
        {
            if (at.State.IsComplete)
                return at.Bytes;
            for (var value = 0; value < 256; value++)
            {
                var next = automaton.Next(at.State, (byte)value);
                if (next is not { IsOver: true, IsComplete: false } && seen.Add(next))
                    open.Enqueue((next, [.. at.Bytes, (byte)value]));
            }
        }

        throw new InvalidOperationException("what was begun has no end");
    }
}
