using System.Text.Json;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Structure;

namespace Kvasir.Test.Structure;

/// <summary>Answers under a constraint, through the engine.</summary>
public sealed class ConstrainedAnswerTest : IDisposable
{
    private const string Schema = """
        {"type":"object","properties":{"name":{"type":"string","maxLength":20},"kind":{"enum":["cat","dog"]},"age":{"type":"integer","minimum":0,"maximum":30},"toys":{"type":"array","items":{"type":"string","maxLength":8},"maxItems":3}},
         "required":["name","kind","age","toys"]}
        """;

    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _prompt;

    public ConstrainedAnswerTest() => _prompt = _model.Tokenizer.Encode(Generation.Opening);

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100)]
    public void AnyAnswerIsAValueOfTheSchema(float temperature)
    {
        var judge = Json.Schema.JsonSchema.FromText(Schema);
        for (var seed = 0UL; seed < 6; seed++)
        {
            var answer = Generation.Run(_model, Exact, _prompt, Options(_model.Constraints.Schema(Schema, isStrict: true), temperature, seed));
            using var value = JsonDocument.Parse(answer.Text);
            Assert.True(judge.Evaluate(value.RootElement).IsValid, answer.Text);
            Assert.Equal(FinishReason.End, answer.Sequence.Finish);
        }
    }

    // Small models write blanks and nothing else where they may.
    [Fact]
    public void AnyObjectEndsBehindItsBrace()
    {
        var ended = 0;
        for (var seed = 0UL; seed < 10; seed++)
        {
            var answer = Generation.Run(_model, Exact, _prompt, Options(_model.Constraints.AnyObject(), 0.8f, seed) with { MaxTokens = 400 });
            Assert.StartsWith("{", answer.Text, StringComparison.Ordinal);
            Assert.DoesNotContain(new string(' ', 34), answer.Text, StringComparison.Ordinal);
            if (answer.Sequence.Finish == FinishReason.Length)
                continue;
            ended++;
            Assert.EndsWith("}", answer.Text, StringComparison.Ordinal);
            JsonDocument.Parse(answer.Text).Dispose();
        }

        Assert.True(ended > 0);
    }

    [Fact]
    public void ABatchOfMixedConstraintsGivesWhatEachGivesAlone()
    {
        GenerationOptions[] options =
        [
            Options(_model.Constraints.Schema(Schema), 0.9f, 1),
            Generation.Greedy(40),
            Options(_model.Constraints.Schema(Schema), 0.9f, 2),
            Options(_model.Constraints.Schema("""{"type":"array","items":{"type":"number"},"minItems":3,"maxItems":5}"""), 1, 3) with { Sampling = new SamplingOptions { Seed = 3, RepetitionPenalty = 1.2f } },
            Options(_model.Constraints.AnyObject(), 0, 4) with { MaxTokens = 30 },
        ];
        using var engine = new Engine(_model, Exact);
        var together = Generation.RunAll(engine, options.Select(each => (_prompt, each)));
        for (var i = 0; i < options.Length; i++)
            together[i].AssertEquals(Generation.Run(_model, Exact, _prompt, options[i]), 1e-3, $"member {i}");
    }

    [Fact]
    public void GuessedTokensFollowTheConstraint()
    {
        for (var seed = 0UL; seed < 6; seed++)
        {
            var options = Options(_model.Constraints.Schema("""{"type":"array","items":{"enum":["ab","abab","b"]},"minItems":12,"maxItems":14}"""), 0.7f, seed);
            var plain = Generation.Run(_model, Exact, _prompt, options);
            var guessed = Generation.Run(_model, Exact, _prompt, options with { SpeculativeTokens = 8 });
            guessed.AssertEquals(plain, 1e-3, $"seed {seed}");
            JsonDocument.Parse(guessed.Text).Dispose();
        }
    }

    [Fact]
    public void ThePreemptedGoOnWhereTheyWere()
    {
        var prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park. ", 20)))[..50];
        var constraint = _model.Constraints.Schema("""{"type":"array","items":{"type":"integer"},"minItems":30}""");
        var requests = Enumerable.Range(0, 3).Select(i => (prompt[i..], Options(constraint, 0.8f, (ulong)i) with { MaxTokens = 60 })).ToArray();
        var pageBytes = 0L;
        using (var wide = new Engine(_model, Exact))
            pageBytes = wide.Plan.KvBytesPerToken * 32;
        using var engine = new Engine(_model, Exact with { KvMemoryBytes = 6 * pageBytes, MaxSequences = 3 });
        var crowded = Generation.RunAll(engine, requests);
        for (var i = 0; i < requests.Length; i++)
            crowded[i].AssertEquals(Generation.Run(_model, Exact, requests[i].Item1, requests[i].Item2), 1e-3, $"member {i}");
    }

    // Log-probabilities are the model's own; the mask chooses.
    [Fact]
    public void LogProbabilitiesAreThoseWithoutTheConstraint()
    {
        var free = Generation.Run(_model, Exact, _prompt, Generation.Greedy(1) with { TopLogprobs = 20 });
        var held = Generation.Run(_model, Exact, _prompt, Options(_model.Constraints.AnyObject(), 0, 0) with { MaxTokens = 1, TopLogprobs = 20 });
        Assert.Equal(free.Pieces[0].TopLogprobs, held.Pieces[0].TopLogprobs);
        Assert.Equal("{", held.Text);
        Assert.True(held.Logprobs[0] < free.Logprobs[0]);
    }

    [Fact]
    public void StepsThatMeetNoNewStateAllocateNothing()
    {
        using var engine = new Engine(_model, Exact);
        var options = Options(_model.Constraints.Schema("""{"type":"array","items":{"type":"string"}}"""), 0.8f, 1) with
        {
            MaxTokens = 200,
            TopLogprobs = null,
            Sampling = new SamplingOptions { Seed = 1, LogitBias = Enumerable.Range(0, 512).Where(token => _model.Tokenizer.Piece(token).Contains('"', StringComparison.Ordinal)).ToDictionary(token => token, _ => -30f) },
        };
        // The first answer makes the states and masks that the second has.
        Generation.Run(engine, _prompt, options);
        engine.Submit(new Sequence(_prompt, options));
        for (var step = 0; step < 10; step++)
            engine.Step();
        Assert.Equal(0, AllocatedBytes.OfSteps(engine, 90));
    }

    // stories260K has no token for it: it comes in four, each a byte.
    [Fact]
    public void ACharacterOfSeveralTokensComesWhole()
    {
        var answer = Generation.Run(_model, Exact, _prompt, Options(_model.Constraints.Schema("""{"const":"😀é"}"""), 1, 1));
        Assert.Equal("\"😀é\"", answer.Text);
        Assert.All(answer.Pieces, piece => Assert.DoesNotContain('\uFFFD', piece.Text));
        Assert.Contains(answer.Pieces, static piece => piece.Text.Contains("😀", StringComparison.Ordinal));
        Assert.True(answer.Tokens.Length > 4);
    }

    [Fact]
    public void WhereNothingIsLeftToDrawTheRequestFailsAlone()
    {
        var brace = Enumerable.Range(0, _model.Tokenizer.VocabularySize).Where(token => _model.Tokenizer.Bytes(token) is [(byte)'{', ..]).ToDictionary(static token => token, static _ => -100f);
        var options = Options(_model.Constraints.AnyObject(), 1, 1) with { Sampling = new SamplingOptions { LogitBias = brace } };
        using var engine = new Engine(_model, Exact);
        var both = Generation.RunAll(engine, [(_prompt, options), (_prompt, Generation.Greedy(5))]);
        Assert.Contains("a constraint that allows", both[0].Sequence.Failure?.Message, StringComparison.Ordinal);
        Assert.Equal(5, both[1].Tokens.Length);
    }

    [Fact]
    public void AConstraintForAnotherVocabularyIsRefused()
    {
        var refusal = Assert.Throws<KvasirException>(() => Generation.Run(_model, Exact, _prompt, new GenerationOptions { Constraint = Vocabularies.Of("llama3").AnyObject() }));
        Assert.Contains("the constraint was made for a vocabulary of", refusal.Message, StringComparison.Ordinal);
    }

    // The seam is for constraints of anybody: this one allows what a list says, in its order.
    [Fact]
    public void AnOwnConstraintIsFollowed()
    {
        var spelled = _model.Tokenizer.Encode(" the big red ball", addBegin: false);
        var answer = Generation.Run(_model, Exact, _prompt, new GenerationOptions { Constraint = new Spelled(spelled, _model.Tokenizer.VocabularySize) });
        Assert.Equal(spelled, answer.Tokens);
        Assert.Equal(FinishReason.End, answer.Sequence.Finish);
    }

    private static GenerationOptions Options(AnswerConstraint constraint, float temperature, ulong seed) => new()
    {
        MaxTokens = 300,
        TopLogprobs = 0,
        Constraint = constraint,
        Sampling = new SamplingOptions { Temperature = temperature, TopK = 0, TopP = 1, MinP = 0, Seed = seed },
    };

    private sealed class Spelled(int[] tokens, int vocabularySize) : AnswerConstraint
    {
        public override int VocabularySize => vocabularySize;

        public override ConstraintCursor Begin() => new Place(tokens, vocabularySize);

        private sealed class Place(int[] tokens, int vocabularySize) : ConstraintCursor
        {
            private int _at;

            public override TokenMask Allowed => new([tokens[_at]], vocabularySize);

            public override bool IsOver => _at == tokens.Length;

            public override void Advance(int token) => _at++;
        }
    }
}
