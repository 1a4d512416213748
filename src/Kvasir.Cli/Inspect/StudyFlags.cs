using System.CommandLine;
using System.CommandLine.Parsing;
using Kvasir.Attention;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Inspect;

/// <summary>What <c>inspect --attention</c> looks at.</summary>
internal sealed class StudyFlags
{
    private const int DefaultQueries = 16;
    private const int MaxQueries = 256;

    private readonly Option<bool> _attention = new("--attention")
    {
        Description = "Instead: compute a prompt densely, attend its last tokens by every policy as well, and show by layer what each read and lost",
    };

    private readonly Option<string?> _promptFile = new("--prompt-file") { HelpName = "PATH", Description = "With --attention: the prompt, in UTF-8, as it is and without a chat template (- for the standard input)" };
    private readonly Option<AttentionPolicy[]?> _policies = new("--policies")
    {
        HelpName = "LIST",
        Description = "With --attention: policies, as dense,psa:coverage=0.9,block=16,quest; after a comma, a piece with an equals sign is an option of the policy to its left; may be repeated [default: all that need no calibration]",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = static result => PolicyList.Parse(result, "--policies"),
    };

    private readonly Option<int?> _queries = Typed.Whole("--queries", $"With --attention: last tokens of the prompt that each policy attends; figures are means over them, 1 to {MaxQueries} [default: {DefaultQueries}]", 1, MaxQueries);
    private readonly Option<string?> _html = new("--html") { HelpName = "PATH", Description = "With --attention: also write a page with maps of every layer and head, and curves; it needs no network" };
    private readonly Option<KvType?> _kv = EngineFlags.Kv();
    private readonly Option<long?> _kvMemory = EngineFlags.KvMemory();
    private readonly Option<int?> _context = EngineFlags.Context();
    private readonly Option<int?> _threads = EngineFlags.Threads();

    private Option[] Needy => [_promptFile, _policies, _queries, _html, _kv, _kvMemory, _context, _threads];

    public void AddTo(Command command)
    {
        command.Options.Add(_attention);
        foreach (var option in Needy)
            command.Options.Add(option);
        command.Validators.Add(Require);
    }

    public bool IsWanted(ParseResult typed) => typed.GetValue(_attention);

    public string PromptFile(ParseResult typed) => typed.GetValue(_promptFile)!;

    public string? Html(ParseResult typed) => typed.GetValue(_html);

    public int Queries(ParseResult typed) => typed.GetValue(_queries) ?? DefaultQueries;

    public AttentionPolicy[] Policies(ParseResult typed) =>
        typed.GetValue(_policies) is [_, ..] policies ? policies : [.. PolicyCatalog.Entries.Where(static entry => entry.Needs is null).Select(static entry => PolicyCatalog.Parse(entry.Name))];

    /// <summary>An engine whose batch takes in the queries and all prompt rows that a policy observes.</summary>
    public EngineOptions Engine(ParseResult typed)
    {
        var defaults = new EngineOptions();
        return defaults with
        {
            Kv = typed.GetValue(_kv) ?? defaults.Kv,
            KvMemoryBytes = typed.GetValue(_kvMemory) ?? 0,
            ContextTokens = typed.GetValue(_context) ?? 0,
            Threads = typed.GetValue(_threads) ?? 0,
            MaxSequences = 1,
            QueueLimit = 1,
            BatchTokens = Math.Max(defaults.BatchTokens, Queries(typed) + Policies(typed).Max(static policy => policy.ObservedPromptRows)),
        };
    }

    private void Require(CommandResult result)
    {
        if (!result.GetValue(_attention))
        {
            if (Array.Find(Needy, option => result.GetResult(option) is not null) is { } needy)
                result.AddError($"{needy.Name} has a meaning with --attention only");
        }
        else if (result.GetResult(_promptFile) is null)
            result.AddError("--attention needs a prompt: --prompt-file PATH");
    }
}
