using Kvasir.Attention;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Tasks;
using Kvasir.Ground;

namespace Kvasir.Cli.Demo;

/// <summary>Questions, policies, and the answers so far. One thread writes; another may look at it meanwhile.</summary>
internal sealed class DemoBoard
{
    private readonly DemoAnswer?[] _answers;

    public DemoBoard(IReadOnlyList<HaystackQuestion> questions, IReadOnlyList<AttentionPolicy> asked)
    {
        string[] names = [.. asked.Select(static policy => PolicySpec.Family(policy.Name))];
        Labels = [.. asked.Select((policy, i) => Printable.Line(names.Count(name => name == names[i]) > 1 ? policy.Name : names[i]))];
        (Questions, _answers) = (questions, new DemoAnswer?[questions.Count * asked.Count]);
    }

    public IReadOnlyList<HaystackQuestion> Questions { get; }

    /// <summary>The policies' names, without options where nobody could take one for another.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>Every question under every policy, in the order in which they are asked.</summary>
    public IEnumerable<(int Question, int Policy)> Turns => Enumerable.Range(0, _answers.Length).Select(turn => Math.DivRem(turn, Labels.Count));

    /// <summary>Answers there are.</summary>
    public int AnswerCount => _answers.Count(static answer => answer is not null);

    /// <summary>Null as long as there is none.</summary>
    public DemoAnswer? Answer(int question, int policy) => Volatile.Read(ref _answers[question * Labels.Count + policy]);

    public void Add(int question, int policy, DemoAnswer answer) => Volatile.Write(ref _answers[question * Labels.Count + policy], answer);

    /// <summary>Null as long as the policy has answered nothing.</summary>
    public DemoScore? Score(int policy) =>
        DemoScore.Of([.. Enumerable.Range(0, Questions.Count).Select(question => Answer(question, policy)).OfType<DemoAnswer>()]);
}

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
