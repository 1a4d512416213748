using Kvasir.Attention.Policies;
using Kvasir.Cli;
using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Shared;

public sealed class UsageTest
{
    [Theory]
    [InlineData("--temperature", "abc", "a number from 0 to 100")]
    [InlineData("--temperature", "NaN", "a number from 0 to 100")]
    [InlineData("--top-k", "1.5", "a whole number from 0")]
    [InlineData("--frequency-penalty", "x", "a number from -2 to 2")]
    [InlineData("--logit-bias", "5", "of the form ID=VALUE with a token's id and a number from -100 to 100")]
    [InlineData("--stop", "", "a text of 1 to 256 bytes")]
    [InlineData("--kv", "f16", "bf16, q8, int8, int8-channel, kivi4, kivi2, quantspec or f32, or keys=FORMAT,values=FORMAT")]
    [InlineData("--kv-keys", "q9", "bf16, q8, int8, int8-channel, kivi4, kivi2, quantspec or f32")]
    [InlineData("--kv-values", "keys=q8,values=bf16", "bf16, q8, int8, int8-channel, kivi4, kivi2, quantspec or f32")]
    [InlineData("--kv-memory", "lots", "a size such as 512M, 2G or 1.5GiB")]
    [InlineData("--audit", "NaN", "a number from 0 to 1")]
    public void ABadValueIsOneLineWithOptionValueAndWhatIsAllowed(string option, string value, string allowed)
    {
        CliRun.Of("run", "stories260K", "hi", option, value).AssertFails(2, $"kvasir: {option}: '{value}' is not {allowed}; see kvasir run --help");
        CliRun.Of("chat", "stories260K", option, value).AssertFails(2, $"kvasir: {option}: '{value}' is not {allowed}; see kvasir chat --help");
    }

    [Fact]
    public void AnUnknownPolicyListsTheKnownOnes()
    {
        CliRun.Of("run", "stories260K", "hi", "--attention", "x").AssertFails(2, $"kvasir: --attention: attention policy 'x' is unknown; known: {string.Join(", ", PolicyCatalog.Entries.Select(static entry => entry.Name))}; see kvasir run --help");
        CliRun.Of("run", "stories260K", "hi", "--attention", "dense:bits=1").AssertFails(
            2, "kvasir: --attention: attention policy 'dense' has no option 'bits=1' of the form key=value; it has none; see kvasir run --help");
    }

    [Fact]
    public void AMistypedOptionIsNoPrompt()
    {
        CliRun.Of("run", "stories260K", "--jsno").AssertFails(2, "kvasir: option '--jsno' is unknown; did you mean --json? (a PROMPT that begins with a dash goes after --); see kvasir run --help");
        CliRun.Of("run", "stories260K", "--tempersture", "3").AssertFails(
            2, "kvasir: option '--tempersture' is unknown; did you mean --temperature? (a PROMPT that begins with a dash goes after --); see kvasir run --help");
        var dashed = CliRun.Of("run", "stories260K", "-q", "--max-tokens", "1", "--", "--jsno");
        Assert.Equal((0, ""), (dashed.ExitCode, dashed.Error));
    }

    [Theory]
    [InlineData("run stories260K -- -x --max-tokens 3", "only one PROMPT is taken: '--max-tokens' is one too many; see kvasir run --help")]
    [InlineData("run stories260K -- one two", "only one PROMPT is taken: 'two' is one too many; see kvasir run --help")]
    [InlineData("policies -- --json", "none is taken: '--json' is one too many; see kvasir policies --help")]
    [InlineData("-- run", "a command comes before it: 'run' is none there; see kvasir --help")]
    public void BehindTwoDashesThereIsTextOnly(string line, string message) =>
        CliRun.Of(line.Split(' ')).AssertFails(2, $"kvasir: what stands behind -- is text, and {message}");

    [Theory]
    [InlineData("calibrate stories260K --text f --output ./f", "--text", "--output")]
    [InlineData("eval jsonl stories260K --file f --json f", "--file", "--json")]
    [InlineData("eval needle stories260K --csv f --json f", "--json", "--csv")]
    [InlineData("eval needle stories260K --state f --html x/../f", "--state", "--html")]
    [InlineData("eval needle stories260K --svg f --html f", "--html", "--svg")]
    [InlineData("eval ppl stories260K --file f --state f", "--file", "--state")]
    [InlineData("eval agree stories260K --prompt-file a,f --csv f", "--prompt-file", "--csv")]
    [InlineData("inspect stories260K --attention --prompt-file f --html f", "--prompt-file", "--html")]
    [InlineData("tune stories260K --prompts f --out f", "--prompts", "--out")]
    public void AFileIsNotReadAndWrittenNorWrittenTwice(string line, string first, string second)
    {
        var verb = line[..line.IndexOf(" stories", StringComparison.Ordinal)].Replace(" jsonl", "", StringComparison.Ordinal).Replace(" needle", "", StringComparison.Ordinal);
        var run = CliRun.Of(line.Split(' '));
        Assert.Equal((2, $"kvasir: {first} and {second} name the same file, {Path.GetFullPath("f")}; see kvasir {verb} --help\n"), (run.ExitCode, run.Error));
    }

    [Fact]
    public void AModelIsNotWrittenOver()
    {
        using var folder = new TempFolder();
        var model = folder.Write("model.gguf", "weights");
        CliRun.Of("calibrate", model, "--text", "f", "--output", model).AssertFails(
            2, $"kvasir: MODEL and --output name the same file, {model}; see kvasir calibrate --help");
        Assert.Equal("weights", File.ReadAllText(model));
    }

    [Fact]
    public void PromptsMayLookLikeResponseFiles()
    {
        var run = CliRun.Of("run", "stories260K", "@bob said", "-q", "--max-tokens", "1");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
    }

    [Fact]
    public void WhatContradictsItselfIsRefused()
    {
        CliRun.Of("run", "stories260K", "hi", "--file", "x").AssertFails(2, "kvasir: a prompt and --file were given; one of them is allowed; see kvasir run --help");
        CliRun.Of("run", "stories260K", "hi", "--logprobs", "1").AssertFails(2, "kvasir: --logprobs has no place in plain text; it needs --json; see kvasir run --help");
        Assert.Equal("kvasir: --logprobs: '21' is out of range: 0 to 20; see kvasir run --help\n", CliRun.Of("run", "stories260K", "hi", "--logprobs", "21", "--json").Error);
        CliRun.Of("run", "stories260K", "hi", "--raw", "--system", "x").AssertFails(2, "kvasir: --system needs the chat template that --raw leaves out; see kvasir run --help");
        var shell = new Shell(new StringReader(""), new StringWriter(), new StringWriter()) { InputIsTerminal = true };
        CliRun.With(shell, "run", "stories260K").AssertFails(2, "kvasir: no prompt: give PROMPT, or --file PATH, or pipe it in; see kvasir run --help");
    }

    [Theory]
    [InlineData("--max-tokens", "99999999999999", "1 to 2147483647")]
    [InlineData("--max-tokens", "0", "1 to 2147483647")]
    [InlineData("--seed", "-1", "0 to 2^64 - 1")]
    [InlineData("--threads", "0", "1 to 1024")]
    [InlineData("--temperature", "-1", "0 to 100")]
    [InlineData("--min-p", "2", "0 to 1")]
    [InlineData("--repeat-penalty", "0", "0.001 to 100")]
    [InlineData("--presence-penalty", "3", "-2 to 2")]
    [InlineData("--audit", "1.5", "0 to 1")]
    [InlineData("--context", "0", "1 to 2147483647")]
    [InlineData("--seed", "18446744073709551616", "0 to 2^64 - 1")]
    [InlineData("--threads", "1025", "1 to 1024")]
    [InlineData("--temperature", "1e999", "0 to 100")]
    [InlineData("--top-p", "0", "above 0 to 1")]
    [InlineData("--context", "99999999999999999999999999999999", "1 to 2147483647")]
    [InlineData("--context", "4G", "1 to 2147483647")]
    [InlineData("--kv-memory", "99999999999T", "1 to 9223372036854775807 bytes")]
    [InlineData("--kv-memory", "0", "1 to 9223372036854775807 bytes")]
    [InlineData("--logit-bias", "5=200", "-100 to 100")]
    public void ANumberThatIsTooLargeOrTooSmallIsToldTheRange(string flag, string number, string range)
    {
        CliRun.Of("run", "stories260K", "hi", flag, number).AssertFails(2, $"kvasir: {flag}: '{number}' is out of range: {range}; see kvasir run --help");
        CliRun.Of("chat", "stories260K", flag, number).AssertFails(2, $"kvasir: {flag}: '{number}' is out of range: {range}; see kvasir chat --help");
    }

    [Theory]
    [InlineData("--max-tokens", "9.5", "is not a whole number from 1")]
    [InlineData("--max-tokens", "", "is not a whole number from 1")]
    [InlineData("--temperature", "NaN", "is not a number from 0 to 100")]
    [InlineData("--context", "5B", "is not a number of tokens such as 4096, 32k or 1M")]
    [InlineData("--kv-memory", "5bbbb", "is not a size such as 512M, 2G or 1.5GiB")]
    public void WhatIsNoSuchNumberIsToldTheKind(string flag, string text, string kind) =>
        CliRun.Of("run", "stories260K", "hi", flag, text).AssertFails(2, $"kvasir: {flag}: '{text}' {kind}; see kvasir run --help");

    [Theory]
    [InlineData("run: MODEL is missing: kvasir run MODEL [PROMPT]", "run")]
    [InlineData("eval: TASK is missing: kvasir eval TASK MODEL", "eval")]
    [InlineData("eval agree: MODEL is missing: kvasir eval agree MODEL", "eval", "agree")]
    [InlineData("calibrate: --output FILE is missing", "calibrate", "stories260K")]
    [InlineData("calibrate: --text FILE is missing", "calibrate", "stories260K", "--output", "f")]
    [InlineData("run: --max-tokens has no value: --max-tokens N", "run", "stories260K", "hi", "--max-tokens")]
    [InlineData("run: --seed is given 2 times, and takes one N", "run", "stories260K", "hi", "--seed", "1", "--seed", "2")]
    [InlineData("run: 'there' is one too many: kvasir run MODEL [PROMPT]", "run", "stories260K", "hi", "there")]
    [InlineData("run: 'hi' is one too many: kvasir run MODEL [PROMPT]", "run", "stories260K", "-q", "true", "hi")]
    [InlineData("bench: option '--dept' is unknown; did you mean --depth?", "bench", "--dept", "4")]
    [InlineData("run: the prompt is empty; with --raw a text begins from nothing", "run", "stories260K", "")]
    [InlineData("run: --attention: one policy is taken here, and 'quest,psa' is 2", "run", "stories260K", "hi", "--attention", "quest,psa")]
    [InlineData(
        "run: --attention: 'auto' is no policy but chooses one, where a model answers; it has no options and stands in no list",
        "run", "stories260K", "hi", "--attention", "auto:from=3")]
    public void WhatIsMissingOrTooMuchIsOneLineInOurWords(string said, params string[] args)
    {
        var verb = said[..said.IndexOf(':', StringComparison.Ordinal)];
        CliRun.Of(args).AssertFails(2, $"kvasir: {said[(verb.Length + 2)..]}; see kvasir {verb} --help");
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void NoVerbSaysAnythingInTheParsersWords()
    {
        var shell = new Shell(new StringReader(""), new StringWriter(), new StringWriter());
        string[] foreign = ["Required ", "Unrecognized", "expects a", "Cannot parse", "Option '", "for command"];
        foreach (var verb in Verbs.All(shell))
        {
            string[] name = verb.Name.Split(' ');
            string[] operands = [.. verb.Operands.Select(static operand => operand.Choices is [var first, ..] ? first : "stories260K")];
            List<string[]> lines = [name, [.. name, .. operands, "more"], [.. name, "--", .. operands, "more"]];
            foreach (var flag in verb.AllFlags)
                lines.AddRange([[.. name, .. operands, flag.Name], [.. name, flag.Name], [.. name, .. operands, flag.Name, "1", flag.Name, "1"], [.. name, .. operands, $"{flag.Name}=x"]]);
            foreach (var line in lines)
            {
                var fault = Verbs.Fault(line, shell) ?? "";
                Assert.False(Array.Exists(foreign, words => fault.Contains(words, StringComparison.Ordinal)), $"{string.Join(' ', line)}: {fault}");
            }
        }
    }

    [Fact]
    public void AnEmptyPromptIsRefusedUnlessItIsRaw()
    {
        using var folder = new TempFolder();
        var empty = folder.Write("empty.txt", "\n");
        CliRun.Of("run", "stories260K", "--file", empty).AssertFails(1, $"kvasir: {empty} is empty");
        CliRun.With(new Shell(new StringReader(""), new StringWriter(), new StringWriter()), "run", "stories260K").AssertFails(1, "kvasir: the standard input is empty");
        var raw = CliRun.Of("run", "stories260K", "", "--raw", "-q", "--max-tokens", "3", "--temperature", "0");
        Assert.Equal((0, ""), (raw.ExitCode, raw.Error));
        Assert.NotEqual("\n", raw.Output);
    }

    [Fact]
    public void WithoutAVerbThereIsHelp()
    {
        var (bare, help) = (CliRun.Of(), CliRun.Of("--help"));
        Assert.Equal((0, "", help.Output), (bare.ExitCode, bare.Error, bare.Output));
    }

    [Theory]
    [InlineData("frob", "is no command; there are demo, run, chat, embed, serve, ps, list, inspect, cache, plan, policies, calibrate, eval, tune, bench, completion")]
    [InlineData("x", "is no command; there are demo, run, chat, embed, serve, ps, list, inspect, cache, plan, policies, calibrate, eval, tune, bench, completion")]
    [InlineData("rnu", "is no command; did you mean run?")]
    [InlineData("Run", "is no command; did you mean run?")]
    [InlineData("insp", "is no command; did you mean inspect?")]
    [InlineData("polices", "is no command; did you mean policies?")]
    [InlineData("calibarte", "is no command; did you mean calibrate?")]
    [InlineData("help", "is no command; did you mean --help?")]
    [InlineData("-version", "is no command; did you mean --version?")]
    [InlineData("[suggest]", "is no command; there are demo, run, chat, embed, serve, ps, list, inspect, cache, plan, policies, calibrate, eval, tune, bench, completion")]
    [InlineData("[parse]", "is no command; there are demo, run, chat, embed, serve, ps, list, inspect, cache, plan, policies, calibrate, eval, tune, bench, completion")]
    [InlineData("[diagram]", "is no command; there are demo, run, chat, embed, serve, ps, list, inspect, cache, plan, policies, calibrate, eval, tune, bench, completion")]
    [InlineData("stories260K", "is no command but a model or a file; did you mean run stories260K?")]
    public void AWrongVerbIsOneLineWithWhatWasMeant(string verb, string message)
    {
        CliRun.Of(verb).AssertFails(2, $"kvasir: '{verb}' {message}; see kvasir --help");
        CliRun.Of(verb, "x", "-y").AssertFails(2, $"kvasir: '{verb}' {message}; see kvasir --help");
    }

    [Fact]
    public void AWrongVerbOfAnyLengthAndAlphabetIsOneLine()
    {
        foreach (var verb in new[] { "", "-", "--", "日本", "a\nb", new string('r', 20_000) })
            Assert.Equal((2, "", 1), (CliRun.Of(verb, "z").ExitCode, CliRun.Of(verb, "z").Output, CliRun.Of(verb, "z").Error.Count(static c => c == '\n')));
    }

    [Theory]
    [InlineData("policies", "--jsno", "--json")]
    [InlineData("demo", "--contxt=8k", "--context")]
    [InlineData("inspect stories260K", "--tensor", "--tensors")]
    [InlineData("eval agree stories260K", "--attenton", "--attention")]
    [InlineData("run stories260K", "-n", "--max-tokens")]
    [InlineData("run stories260K", "-n=5", "--max-tokens")]
    [InlineData("chat stories260K", "-c", "--context")]
    [InlineData("chat stories260K", "--temp", "--temperature")]
    [InlineData("chat stories260K", "--n-predict=5", "--max-tokens")]
    [InlineData("bench stories260K", "-p", "--prefill")]
    [InlineData("bench stories260K", "-w", "--weights or --weights-memory")]
    [InlineData("tune stories260K", "-t", "--threads")]
    [InlineData("policies", "-j", "--json")]
    public void AMistypedOptionIsToldWhatWasMeant(string command, string option, string meant)
    {
        var run = CliRun.Of([.. command.Split(' '), option]);
        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"kvasir: option '{option}' is unknown; did you mean {meant}?", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public void UsageErrorsAreJsonToo()
    {
        var run = CliRun.Of("inspect", "stories260K", "extra", "--json");
        Assert.Equal("""{"error":{"kind":"usage","message":"'extra' is one too many: kvasir inspect MODEL; see kvasir inspect --help"},"exitCode":2}""" + "\n", run.Output);
        Assert.Equal(2, run.ExitCode);
    }

    [Theory]
    [InlineData(
        "run", "--file --system --raw --max-tokens --temperature --top-k --top-p --min-p --repeat-penalty --presence-penalty --frequency-penalty --logit-bias --seed --stop "
        + "--logprobs --ignore-end --speculate --attention --kv --kv-keys --kv-values --kv-memory --context --threads --json --quiet --help stories260K Examples: Ctrl-C")]
    [InlineData("chat", "--system --max-tokens --temperature --seed --stop --attention --kv --kv-keys --kv-values --context --threads --json --quiet /help Examples:")]
    [InlineData("inspect", "--tensors --json Examples:")]
    [InlineData("policies", "--json Examples:")]
    [InlineData(
        "eval", "TASK MODEL ruler needle niah passkey longbench jsonl --context --attention --min-context --sweep --protocol --samples --seed --file --audit --batch --kv --kv-keys --kv-values --threads --html --svg --state --restart "
        + "--json --csv --quiet stories260K Examples: Ctrl-C")]
    [InlineData("demo", "--context --attention --questions --seed --model needle --kv --kv-keys --kv-values --threads --json --quiet Examples: Ctrl-C")]
    [InlineData("--help", "demo run chat embed serve ps list inspect policies bench Examples: Exit codes: 130 70 143 KVASIR_DEBUG NO_COLOR")]
    public void HelpMentionsEveryOption(string verb, string words)
    {
        var help = CliRun.Of(verb == "--help" ? [verb] : [verb, "--help"]);
        Assert.Equal((0, ""), (help.ExitCode, help.Error));
        Assert.All(words.Split(' '), word => Assert.Contains(word, help.Output, StringComparison.Ordinal));
    }

    [Fact]
    public void VersionIsANumber() => Assert.Matches(@"^kvasir \d+\.\d+\.\d+\S*\n$", CliRun.Of("--version").Output);

    [Fact]
    public void FaultsOfOurOwnAreToldApart()
    {
        var broken = new WatchedWriter(static _ => true, static () => throw new InvalidOperationException("a fault\nof ours"));
        var run = CliRun.With(new Shell(new StringReader(""), broken, new StringWriter()), "run", "stories260K", "hi", "-q");
        Assert.Equal((70, "kvasir: internal error: InvalidOperationException: a fault\\nof ours (KVASIR_DEBUG=1 shows where)\n"), (run.ExitCode, run.Error));
    }
}
