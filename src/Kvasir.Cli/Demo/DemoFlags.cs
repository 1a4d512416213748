using System.CommandLine;
using System.Globalization;
using Kvasir.Attention;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation.Tasks;
using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Demo;

/// <summary>What <c>demo</c> asks, and of whom.</summary>
internal sealed class DemoFlags
{
    private const string DefaultModel = "needle";
    private const string DefaultAttention = "dense,magicpig,psa,guarded";
    private const int DefaultContext = 32768;
    private const int DefaultQuestions = 8;
    private const ulong DefaultSeed = 1;

    private readonly Option<int?> _context = Typed.Parsed<int?>(
        "--context", "TOKENS", "Tokens of text, question and answer, as 4096 or 128k [default: 32k, or the model's native window if that is less]",
        "a number of tokens such as 4096, 32k or 128k", static text => SizeText.TryTokens(text, out var tokens) ? tokens : null);

    private readonly Option<AttentionPolicy[]?> _attention = new("--attention")
    {
        HelpName = "LIST",
        Description = $"Policies that answer side by side, as name or name:key=value,...; several with commas between: {PolicyCatalog.Names} [default: {DefaultAttention}]",
        CustomParser = static result => PolicyList.Parse(result, "--attention"),
    };

    private readonly Option<int?> _questions = Typed.Whole(
        "--questions", $"Asked about the text, 1 to {NeedleHaystack.MostQuestions} [default: {DefaultQuestions}]", 1, NeedleHaystack.MostQuestions);

    private readonly Option<ulong?> _seed = Typed.Parsed<ulong?>(
        "--seed", "N", $"Of text and questions: the same seed gives the same [default: {DefaultSeed}]", "a whole number from 0 to 2^64 - 1",
        static text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed : null);

    private readonly Option<string?> _model = new("--model") { HelpName = "NAME", Description = $"{ModelSetup.Argument().Description}; the text is made of words that the needle model knows [default: {DefaultModel}]" };
    private readonly Option<KvType?> _kv = EngineFlags.Kv();
    private readonly Option<int?> _threads = EngineFlags.Threads();

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_context, _attention, _questions, _seed, _model, _kv, _threads])
            command.Options.Add(option);
    }

    public string Model(ParseResult typed) => typed.GetValue(_model) ?? DefaultModel;

    public DemoPlan Read(ParseResult typed, int nativeTokens) => new()
    {
        ContextTokens = typed.GetValue(_context) ?? Math.Min(DefaultContext, nativeTokens),
        Policies = typed.GetValue(_attention) is [_, ..] policies ? policies : [.. DefaultAttention.Split(',').Select(PolicyCatalog.Parse)],
        QuestionCount = typed.GetValue(_questions) ?? DefaultQuestions,
        Seed = typed.GetValue(_seed) ?? DefaultSeed,
        Kv = typed.GetValue(_kv) ?? new EngineOptions().Kv,
        Threads = typed.GetValue(_threads) ?? 0,
    };
}
