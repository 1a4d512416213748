using Kvasir.Attention;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Tools.Test.Evaluation;

/// <summary>
/// What the tests that take minutes ask of the bundled needle model at 4096 tokens, computed once for all of them: most of the work is prompts, which
/// are the same for all, and all questions about a text are asked. Tasks run beside each other, on a thread each, since two threads of an engine wait for one another at every product.
/// </summary>
public sealed class NeedleResults : IAsyncLifetime
{
    internal static readonly string[] Tasks = [.. TaskCatalog.Find("needle").Select(static entry => entry.Name)];
    private const int Samples = 20;

    private static readonly Question[] Questions =
    [
        new(Tasks, Protocol.QuestionSparse, QualityGateTest.Policies),
        new(PolicyOrderTest.Counts, Protocol.QuestionSparse, PolicyOrderTest.Samplers),
        new(PolicyOrderTest.Retrieval, Protocol.QuestionSparse, PolicyOrderTest.Readers),
        new(PolicyOrderTest.Retrieval, Protocol.QuestionDense, PolicyOrderTest.Forgetters),
    ];

    private IReadOnlyList<EvaluatedSample> _results = [];

    public async ValueTask InitializeAsync()
    {
        using var model = Model.Load("needle");
        var parts = await Task.WhenAll(Tasks.Select(task => Task.Run(() => Run(model, task))));
        _results = [.. parts.SelectMany(static part => part)];
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>A point for each policy, and for dense attention, over these tasks together.</summary>
    internal IReadOnlyList<EvaluationPoint> Points(IReadOnlyList<string> tasks, Protocol protocol, IReadOnlyList<AttentionPolicy> policies)
    {
        var question = new Question(tasks, protocol, policies);
        return EvaluationPoints.OverTasks([.. _results.Where(one => question.Asks(SampleKey.Of(one)))]);
    }

    private static List<EvaluatedSample> Run(Model model, string task)
    {
        Question[] questions = [.. Questions.Where(question => question.Tasks.Contains(task))];
        var plan = new EvaluationPlan
        {
            Tasks = [new AnsweredTask(task, new EveryQuestion(task, Samples))],
            Contexts = [4096],
            Policies = [.. questions.SelectMany(static question => question.Policies)],
            Protocols = [.. questions.Select(static question => question.Protocol).Distinct()],
            Samples = Samples,
            BatchSequences = Samples / 2,
            Threads = 1,
        };
        using var run = new EvaluationRun(model, plan);
        return [.. run.Run(plan.Keys().Where(key => !questions.Any(question => question.Asks(key))).ToHashSet())];
    }

    private sealed record Question(IReadOnlyList<string> Tasks, Protocol Protocol, IReadOnlyList<AttentionPolicy> Policies)
    {
        public bool Asks(SampleKey key) =>
            key.Protocol == Protocol && Tasks.Contains(key.Task) && (key.Policy == PairedDifference.Dense || Policies.Any(policy => policy.Name == key.Policy));
    }
}

/// <summary>Tests that read the same results.</summary>
[CollectionDefinition(nameof(NeedleResults))]
public sealed class NeedleTests : ICollectionFixture<NeedleResults>;
