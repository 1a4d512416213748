using Kvasir.Attention.Policies;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Matrix;
using Kvasir.Tools.Test.Evaluation.Running;

namespace Kvasir.Tools.Test.Evaluation.LabelFree;

public sealed class AgreementTest : IDisposable
{
    private const string Window = "streaming:sinks=1,recent=3,min-context=0";
    private static readonly AgreementOptions Short = new(Tokens: 24, QuestionTokens: 5);
    private static readonly string[] Texts =
    [
        string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 4)),
        string.Concat(Enumerable.Repeat("The dog was sad. ", 7)),
        "Once upon a time",
    ];

    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public void PoliciesThatKeepEverythingAgree()
    {
        var policies = PolicyCatalog.Entries.Where(static entry => entry.Needs is null).Select(static entry => entry.KeepEverything).ToArray();
        var results = Run(_model, Plan(Short with { Tokens = 12 }, policies));
        Assert.Equal(policies.Length * 2 * Texts.Length, results.Length);
        Assert.All(results, static result => Assert.True(result is { Score: 1, Divergence: < 1e-5 }, $"{result.Policy}: {result.Score} {result.Divergence}"));
        Assert.All(results, static result => Assert.Equal((result.ExpectedTokens, result.Expected[0]), (result.AnswerTokens, result.Answer)));
    }

    [Fact]
    public void APolicyThatReadsAlmostNothingDiverges()
    {
        var results = Run(_model, Plan(Short, Window) with { AuditShare = 1 }).Where(static result => result.Policy != "dense").ToArray();
        Assert.All(results, static result => Assert.True(result is { Score: < 1, Divergence: > 0.05, MassKept: < 0.9, OutputError: > 0.05 }, $"{result}"));
        Assert.All(results, static result => Assert.NotEqual(result.Expected[0], result.Answer));
        Assert.All(results, static result => Assert.InRange(result.KeysRead, 0.01, 0.5));
    }

    [Theory]
    [InlineData(Protocol.QuestionDense)]
    [InlineData(Protocol.QuestionSparse)]
    public void ScoresAndDivergencesAreThoseOfTheLogits(Protocol protocol)
    {
        var results = Run(_model, Plan(Short, Window) with { Protocols = [protocol] });
        using var engine = new Engine(_model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20 });
        for (var i = 0; i < Texts.Length; i++)
        {
            var prompt = _model.Tokenizer.Encode(Texts[i]);
            var (answer, dense) = Watched(engine, prompt, [], Short.Tokens, "dense");
            var question = protocol == Protocol.QuestionDense ? 0 : Math.Min(Short.QuestionTokens, prompt.Length - 1);
            var (_, sparse) = Watched(engine, prompt[..^question], [.. prompt[^question..], .. answer[..^1]], 0, Window);
            // The first prediction is of dense attention unless a question was fed.
            var first = question == 0 ? 1 : 0;
            var pairs = Enumerable.Range(first, Short.Tokens - first).Select(token => (Dense: dense[token], Sparse: sparse[question + token])).ToArray();
            var result = Assert.Single(results, result => result.Sample == i && result.Policy == Window);
            Assert.Equal(pairs.Average(static pair => Divergence(pair.Dense, pair.Sparse)), result.Divergence!.Value, 1e-4);
            Assert.Equal(pairs.Average(static pair => Best(pair.Dense) == Best(pair.Sparse) ? 1.0 : 0), result.Score, 1e-12);
            Assert.Equal(question + Short.Tokens - 1, result.DecodedTokens);
        }
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(5)]
    [InlineData(300)]
    public void FiguresBehindSharedPromptsDoNotDependOnWhatElseIsCompared(int questionTokens)
    {
        string[] policies = [Window, "h2o:heavy=0.1,newest=0.1,min-context=0", "magicpig:min-context=0"];
        var options = Short with { QuestionTokens = questionTokens };
        var (together, sharedBytes) = RunLong(options, [Protocol.QuestionDense, Protocol.QuestionSparse], policies);
        Assert.NotEqual(0, sharedBytes);
        foreach (var policy in policies)
        {
            foreach (var protocol in Enum.GetValues<Protocol>())
            {
                var (alone, _) = RunLong(options, [protocol], policy);
                Assert.Equal(4, alone.Length);
                Assert.All(alone, expected => AssertSame(expected, Assert.Single(together, other => SampleKey.Of(other) == SampleKey.Of(expected))));
            }
        }
    }

    [Fact]
    public void DivergencesOfExtremeLogitsAreFinite()
    {
        float[] p = [1e4f, -1e4f, 0, float.NegativeInfinity];
        float[] q = [1e4f, 0, 9999, -1e30f];
        var expected = Math.Log(1 + Math.Exp(-1));
        Assert.Equal(expected, SoftmaxLog.Divergence(p, SoftmaxLog.Sum(p), q), 1e-12);
        Assert.Equal(0, SoftmaxLog.Divergence(p, SoftmaxLog.Sum(p), p));
        Assert.Equal(double.PositiveInfinity, SoftmaxLog.Divergence(p, SoftmaxLog.Sum(p), [float.NegativeInfinity, 0, 0, 0]));
        Assert.Equal(double.NaN, SoftmaxLog.Divergence(p, SoftmaxLog.Sum(p), [1, float.NaN, 0, 0]));
        Assert.Equal(double.NaN, SoftmaxLog.Divergence([1, float.NaN], SoftmaxLog.Sum([1, float.NaN]), [1, 2]));
    }

    [Fact]
    public void WhatIsNotWantedIsNotMeasured()
    {
        var results = Run(_model, Plan(Short with { MeasuresDivergence = false, DecodesAnswers = false }, Window));
        Assert.All(results, static result => Assert.Null(result.Divergence));
        Assert.All(results.Where(static result => result.Policy != "dense"), static result => Assert.True(result is { AnswerTokens: null, Answer: "", Score: < 1 }));
    }

    [Fact]
    public void NothingToCompareIsNoDifference()
    {
        var comparison = new AnswerComparison(new DenseAnswer(keepsLogits: false), 0);
        comparison.Watch(0, [1, 2]);
        comparison.Watch(1, [1, 2]);
        Assert.Equal((true, 1.0, (double?)null), (comparison.IsEqual, comparison.Score, comparison.Divergence));
    }

    [Fact]
    public void RandomWeightsAgreeWithThemselves()
    {
        using var folder = new TempFolder();
        var gguf = TinyModel.Gguf(matrices: WeightType.F32).Set("tokenizer.ggml.model", "llama")
            .Set("tokenizer.ggml.tokens", (string[])["<unk>", "<s>", "</s>", "\u2581", .. "Tomandlygsuei".Distinct().Take(12).Select(static letter => $"{letter}")])
            .Set("tokenizer.ggml.token_type", (int[])[2, 3, 3, .. Enumerable.Repeat(1, 13)]);
        using var model = Model.Load(folder.Write("tiny.gguf", gguf.Build()));
        var results = Run(model, Plan(new AgreementOptions(Tokens: 16), "streaming:recent=1048576,min-context=0", "streaming:sinks=0,recent=1,min-context=0"));
        Assert.All(results.Where(static result => result.Policy.Contains("1048576", StringComparison.Ordinal)), static result => Assert.True(result is { Score: 1, Divergence: < 1e-6 }));
        Assert.All(results, static result => Assert.InRange(result.Divergence!.Value, 0, 100));
    }

    [Fact]
    public void PromptsThatDoNotFitAreNamed()
    {
        using var folder = new TempFolder();
        var lines = folder.Write("p.jsonl", $$"""
            {"prompt": "Once"}

            {"input": "{{string.Concat(Enumerable.Repeat("one two three ", 300))}}"}
            """);
        var task = new AgreementTask(UserPrompt.OfLines(lines), [lines], Short);
        var refusal = Assert.Throws<KvasirException>(() => new EvaluationRun(_model, Plan(Short, "dense") with { Tasks = [task], Contexts = [512] }));
        Assert.Equal(KvasirError.ContextExceeded, refusal.Error);
        Assert.StartsWith($"{lines}:3 takes ", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<KvasirException>(() => new AgreementTask(UserPrompt.OfLines(lines), [lines], new AgreementOptions(Tokens: 1)));
    }

    [Theory]
    [InlineData("a.txt", "", "is empty")]
    [InlineData("a.txt", "\n", "is empty")]
    [InlineData("a.txt", "a\n\0b", ":2: has a zero character at byte 2; text in UTF-8, or in UTF-16 with a byte order mark, can be read")]
    [InlineData("a.jsonl", "", "is empty; a JSON object on each line is expected")]
    [InlineData("a.jsonl", "{\"text\": \"a\"}", ":1: has no field prompt or input")]
    [InlineData("a.jsonl", "{\"prompt\": \"\"}", ":1: has an empty prompt or input")]
    public void WhatIsNoPromptIsRefused(string name, string content, string message)
    {
        using var folder = new TempFolder();
        var path = folder.Write(name, content);
        var refusal = Assert.Throws<KvasirException>(() => name == "a.txt" ? UserPrompt.OfFiles([path]) : UserPrompt.OfLines(path));
        Assert.StartsWith(path, refusal.Message, StringComparison.Ordinal);
        Assert.EndsWith(message, refusal.Message, StringComparison.Ordinal);
    }

    private static EvaluationPlan Plan(AgreementOptions options, params string[] policies) => SmallPlan.Of(policies) with
    {
        Tasks = [new AgreementTask([.. Texts.Select(static (text, i) => new UserPrompt($"text {i}", text))], [], options)],
        Samples = Texts.Length,
    };

    // With the KV memory that prompts take while they wait for the next policy.
    private (EvaluatedSample[] Results, long SharedBytes) RunLong(AgreementOptions options, Protocol[] protocols, params string[] policies)
    {
        UserPrompt[] prompts = [.. new[] { 0, 2 }.Select(static (text, i) => new UserPrompt($"text {i}", string.Concat(Enumerable.Repeat(Texts[text] + " ", 60 / (Texts[text].Length / 16)))))];
        using var run = new EvaluationRun(_model, Plan(options, policies) with { Tasks = [new AgreementTask(prompts, [], options)], Samples = prompts.Length, Protocols = protocols, AuditShare = 1 });
        var (results, bytes) = (new List<EvaluatedSample>(), 0L);
        foreach (var result in run.Run())
        {
            results.Add(result);
            bytes = Math.Max(bytes, run.KvBytesInUse);
        }

        return ([.. results], bytes);
    }

    private static void AssertSame(EvaluatedSample expected, EvaluatedSample actual)
    {
        Assert.Equal(expected.LayerKeysRead, actual.LayerKeysRead);
        Assert.Equal(expected.Expected, actual.Expected);
        var (layers, answers) = (actual.LayerKeysRead, actual.Expected);
        Assert.Equal(expected with { LayerKeysRead = layers, Expected = answers, PromptMs = 0, DecodeMs = 0 }, actual with { PromptMs = 0, DecodeMs = 0 });
    }

    private static EvaluatedSample[] Run(Model model, EvaluationPlan plan)
    {
        using var run = new EvaluationRun(model, plan);
        return [.. run.Run()];
    }

    private static (int[] Answer, List<float[]> Logits) Watched(Engine engine, int[] prompt, int[] given, int maxTokens, string policy)
    {
        var seen = new List<float[]>();
        var options = Generation.Greedy(maxTokens) with { IgnoreEnd = false, GivenTokens = given, Attention = PolicyCatalog.Parse(policy), Logits = (_, logits) => seen.Add(logits.ToArray()) };
        return (Generation.Run(engine, prompt, options).Tokens, seen);
    }

    private static double Divergence(float[] dense, float[] sparse)
    {
        var (p, q) = (Softmax(dense), Softmax(sparse));
        return p.Zip(q, static (one, other) => one * Math.Log(one / other)).Sum();
    }

    private static double[] Softmax(float[] logits)
    {
        var sum = logits.Sum(static logit => Math.Exp(logit));
        return Array.ConvertAll(logits, logit => Math.Exp(logit) / sum);
    }

    private static int Best(float[] logits) => Array.IndexOf(logits, logits.Max());
}
