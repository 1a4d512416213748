using System.Text.Json.Nodes;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;

namespace Kvasir.Tools.Test.Evaluation.Results;

/// <summary>Samples put together.</summary>
public sealed class EvaluationPointsTest
{
    private static readonly EvaluatedSample[] Samples =
    [
        HandMade.Of("dense", 0, 1), HandMade.Of("dense", 1, 0.5),
        HandMade.Of("topk:share=0.1", 0, 0.5, 0.1) with { Divergence = 0.2, DecodedTokens = 30, DecodeMs = 60 },
        HandMade.Of("topk:share=0.1", 1, 0.25, 0.3) with { Divergence = 0.4, LayerKeysRead = [1], PromptMs = 300, MassKept = 0.9 },
        HandMade.Of("topk:share=0.1", 0, 1, double.NaN) with { Task = "cwe", DecodedTokens = 0, DecodeMs = 0, LayerKeysRead = [] },
    ];

    [Fact]
    public void FiguresAreMeansOfWhatWasMeasured()
    {
        var points = EvaluationPoints.ByTask(Samples);
        Assert.Equal([("vt", "dense", 2), ("vt", "topk:share=0.1", 2), ("cwe", "topk:share=0.1", 1)], points.Select(static point => (point.Task!, point.Policy, point.SampleCount)));
        Assert.Null(points[0].Difference);
        var topK = points[1];
        Assert.Equal((0.375, -0.375, "topk"), (topK.Score, topK.Difference!.Value.Mean, topK.Family));
        Assert.Equal(0.2, topK.KeysRead!.Value, 1e-12);
        Assert.Equal([1, 0.1], topK.LayerKeysRead.Select(static share => share!.Value));
        // 60 and 50 ms for 30 and 10 tokens: tokens count the same, not samples.
        Assert.Equal(110.0 / 40, topK.MsPerToken!.Value, 1e-12);
        // 0.2 and 0.6 MB, likewise.
        Assert.Equal(((30 * 0.2e6) + (10 * 0.6e6)) / 40, topK.BytesPerToken!.Value, 1e-6);
        Assert.Equal((0.3, 200.0, 0.9, null), (Math.Round(topK.Divergence!.Value, 12), topK.PromptMs, topK.MassKept, topK.OutputError));
        Assert.Equal(((double?)null, (double?)null, (double?)null, 0, (PairedDifference?)null), (points[2].MsPerToken, points[2].BytesPerToken, points[2].KeysRead, points[2].LayerKeysRead.Count, points[2].Difference));
    }

    [Fact]
    public void AllTasksTogetherCountSamplesTheSame()
    {
        var all = EvaluationPoints.OverTasks(Samples);
        Assert.Equal([("dense", 2), ("topk:share=0.1", 3)], all.Select(static point => (point.Policy, point.SampleCount)));
        Assert.Equal((1.75 / 3, 2), (all[1].Score!.Value, all[1].Difference!.Value.PairCount));
        Assert.Empty(EvaluationPoints.OverTasks([]));
    }

    [Fact]
    public void JsonHasPointsAndLeavesOutWhatWasNotMeasured()
    {
        var json = JsonNode.Parse(EvaluationJson.Text(EvaluationDocument.Of(HandMade.Settings, Samples, partial: false)))!;
        Assert.Equal(("tiny & <small>", 2, 3), (json["settings"]!["model"]!.ToString(), json["overall"]!.AsArray().Count, json["tasks"]!.AsArray().Count));
        var topK = json["tasks"]![1]!;
        Assert.Equal((0.375, -0.375, "questionDense"), (topK["score"]!.GetValue<double>(), topK["difference"]!["mean"]!.GetValue<double>(), topK["protocol"]!.ToString()));
        Assert.Null(json["tasks"]![2]!["msPerToken"]);
        Assert.Equal((5, "topk:share=0.1", "NaN"), (json["samples"]!.AsArray().Count, json["samples"]![4]!["policy"]!.ToString(), json["samples"]![4]!["keysRead"]!.ToString()));
        Assert.Null(json["partial"]);
        Assert.True(JsonNode.Parse(EvaluationJson.Text(EvaluationDocument.Of(HandMade.Settings, Samples, partial: true)))!["partial"]!.GetValue<bool>());
    }

    [Fact]
    public void TableLinesReadBackAsTheSamples()
    {
        var hard = HandMade.Of("topk:share=0.1,recent=4", 3, 0.1 + 0.2, 1e-7) with { BytesPerToken = 0.2, Answer = "say \"so\",\r\nor not", Expected = ["a", "b"], AnswerTokens = 7, Depth = 0.5, Loss = double.NaN, Protocol = Protocol.QuestionSparse };
        using var written = new StringWriter();
        EvaluationCsv.Write([hard, .. Samples], written);
        var text = written.ToString();
        Assert.StartsWith("task,context,prompt_tokens,protocol,policy,sample,depth,score,", text, StringComparison.Ordinal);
        Assert.Contains(
            "\r\nvt,4096,4090,B,\"topk:share=0.1,recent=4\",3,0.5,0.30000000000000004,,,\"say \"\"so\"\",\r\nor not\",a|b,7,,10,1E-07,1 1E-07,,,0.2,100,50\r\n",
            text, StringComparison.Ordinal);
        Assert.EndsWith("\r\n", text, StringComparison.Ordinal);
        var columns = text.Split("\r\n")[0].Split(',').Length;
        Assert.All(text.Split("\r\n")[3..^1], line => Assert.Equal(columns, line.Split(',').Length));
        Assert.Equal(1 + 1 + 1 + Samples.Length + 1, text.Split("\r\n").Length);
    }
}
