namespace Kvasir.Cli.Demo;

/// <summary>A policy's answers together.</summary>
internal sealed record DemoScore(int Right, int Asked, double KeysRead, double MsPerToken, double TotalMs)
{
    public double TokensPerSecond => 1000 / MsPerToken;

    /// <summary>Null for no answers.</summary>
    public static DemoScore? Of(IReadOnlyCollection<DemoAnswer> answers)
    {
        var tokens = answers.Sum(static answer => answer.Tokens);
        return tokens == 0 ? null : new DemoScore(
            answers.Count(static answer => answer.IsRight),
            answers.Count,
            answers.Sum(static answer => answer.KeysRead * answer.Tokens) / tokens,
            answers.Sum(static answer => answer.DecodeMs) / tokens,
            answers.Sum(static answer => answer.DecodeMs + answer.PromptMs));
    }
}
