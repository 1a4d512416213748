using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.Running;

namespace Kvasir.Evaluation.LabelFree;

/// <summary>
/// Agreement with dense attention on prompts: dense attention answers greedily, that answer is fed under each policy, and the predictions behind its
/// tokens are compared.
/// </summary>
public sealed class AgreementTask : PlannedTask
{
    public const string TaskName = "agree";
    private const long MaxLogitBytes = 512L << 20;
    private readonly IReadOnlyList<UserPrompt> _prompts;
    private readonly AgreementOptions _options;

    /// <param name="prompts">At least one.</param>
    /// <param name="files">That they were read from.</param>
    /// <exception cref="KvasirException">An option is out of its range.</exception>
    public AgreementTask(IReadOnlyList<UserPrompt> prompts, IReadOnlyList<string> files, AgreementOptions? options = null)
        : base(TaskName)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentOutOfRangeException.ThrowIfZero(prompts.Count);
        (_prompts, Files, _options) = (prompts, files, options ?? new AgreementOptions());
        _options.Validate();
    }

    public override IReadOnlyList<string> Files { get; }

    public override string Settings => _options.ToString();

    public override int? SampleCount => _prompts.Count;

    /// <summary>Tokens of the longest prompt.</summary>
    public int LongestTokens(Model model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return _prompts.Max(prompt => model.Tokenizer.Encode(prompt.Text).Length);
    }

    internal override int MostSideBySide(int vocabularySize) =>
        _options.MeasuresDivergence ? (int)Math.Clamp(MaxLogitBytes / ((long)sizeof(float) * _options.Tokens * vocabularySize), 1, int.MaxValue) : int.MaxValue;

    internal override string Place(int index) => _prompts[index].Place;

    internal override PlannedSample Sample(Model model, int context, ulong seed, int index)
    {
        var tokens = model.Tokenizer.Encode(_prompts[index].Text);
        if (tokens.Length == 0)
            throw new KvasirException(KvasirError.BadFile, $"{Place(index)}: has no token");
        return new PlannedSample(index, new PromptTokens(tokens, Math.Max(0, tokens.Length - _options.QuestionTokens)), _options.Tokens);
    }

    internal override SampleBatch Open(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples) =>
        new AgreementBatch(engine, place, samples, _options);
}
