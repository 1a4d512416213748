using Kvasir.Attention.Policies;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Files;

namespace Kvasir.Tools.Test.Evaluation;

/// <summary>The bundled model with queries and keys that were taught to be signs (<c>tools/train-needle/distil.py</c>), beside the model itself.</summary>
public sealed class DistilledModelTest
{
    [Fact]
    [Trait("Needs", "Minutes")]
    public void SignsOfTaughtQueriesAndKeysFindMoreOfAttention()
    {
        var (taught, own) = (MassFound(TestModels.DistilledFolder), MassFound(TestModels.NeedleFolder));
        Assert.True(taught > own + 0.02, $"{taught:F3} of attention's mass is found, {own:F3} before");
    }

    [Fact]
    public void NothingButQueriesAndKeysIsOther()
    {
        using var taught = Safetensors.Open(TestModels.DistilledFolder);
        using var own = Safetensors.Open(TestModels.NeedleFolder);
        foreach (var tensor in own.Tensors)
        {
            Assert.True(taught.TryFind(tensor.Name, out var other), tensor.Name);
            var isTaught = tensor.Name.Contains("q_proj", StringComparison.Ordinal) || tensor.Name.Contains("k_proj", StringComparison.Ordinal);
            var bytes = (int)tensor.View.Bytes;
            Assert.True(isTaught != tensor.View.Span(0, bytes).SequenceEqual(other.View.Span(0, bytes)), tensor.Name);
        }
    }

    // By a twentieth of the rows, of what follows texts with questions.
    private static double MassFound(string name)
    {
        using var model = Model.Load(name);
        var plan = new EvaluationPlan
        {
            Tasks = [new AnsweredTask("needle_multikey", TaskCatalog.Create("needle_multikey"))],
            Contexts = [512],
            Policies = [PolicyCatalog.Parse("had:share=0.05,sinks=1,recent=1,min-context=0")],
            Protocols = [Protocol.QuestionSparse],
            Samples = 3,
            AuditShare = 1,
            Threads = 1,
        };
        using var run = new EvaluationRun(model, plan);
        return EvaluationPoints.OverTasks([.. run.Run(new HashSet<SampleKey>())]).Single(static point => point.MassKept is not null).MassKept!.Value;
    }
}
