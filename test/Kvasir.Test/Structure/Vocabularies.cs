using Kvasir.Calls;
using Kvasir.Structure;
using Kvasir.Text;

namespace Kvasir.Test.Structure;

/// <summary>Vocabularies of every kind that constraints are tried with: bytes, SentencePiece with byte tokens, byte-level BPE.</summary>
internal static class Vocabularies
{
    private static readonly Dictionary<string, Lazy<JsonConstraints>> All = new()
    {
        ["bytes"] = new(() => new JsonConstraints(Tokenizer.OfBytes())),
        ["stories260K"] = new(() => new JsonConstraints(Tokenizer.FromFolder(TestModels.StoriesFolder))),
        ["llama3"] = new(() => new JsonConstraints(TokenizerFixture.FromJson("llama3"))),
        ["qwen2"] = new(() => new JsonConstraints(TokenizerFixture.FromGguf("qwen2"))),
        ["tekken"] = new(() => new JsonConstraints(TokenizerFixture.FromJson("tekken"))),
        ["cjk"] = new(() => new JsonConstraints(TokenizerFixture.FromJson("cjk"))),
    };

    public static IEnumerable<string> Names => All.Keys;

    public static JsonConstraints Of(string name) => All[name].Value;

    /// <summary>Bytes of the text that are accepted before one is refused, and whether the text may end behind them.</summary>
    public static (int Accepted, bool IsComplete) Bytes(JsonConstraint constraint, ReadOnlySpan<byte> text)
    {
        var state = constraint.Automaton.Start;
        for (var i = 0; i < text.Length; i++)
        {
            var next = constraint.Automaton.Next(state, text[i]);
            if (next is { IsOver: true, IsComplete: false })
                return (i, state.IsComplete);
            state = next;
        }

        return (text.Length, state.IsComplete);
    }

    public static bool Accepts(JsonConstraint constraint, string text)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        return Bytes(constraint, bytes) == (bytes.Length, true);
    }
}
