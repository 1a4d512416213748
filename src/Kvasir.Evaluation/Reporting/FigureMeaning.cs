using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>What figures mean that were measured without expected answers.</summary>
public static class FigureMeaning
{
    /// <summary>A sentence for each kind of measurement; none where answers were expected.</summary>
    public static IEnumerable<string> Of(IReadOnlyCollection<EvaluationPoint> points)
    {
        if (points.Any(static point => point.Divergence is not null))
            yield return "score: the share of tokens that dense attention puts first too; "
                + "divergence: Kullback-Leibler, of the next token from dense attention's, nats a token.";
        if (points.Any(static point => point.Loss is not null))
            yield return "score: the share of the text's tokens that come first; loss: nats a token; perplexity: its exponential.";
    }
}
