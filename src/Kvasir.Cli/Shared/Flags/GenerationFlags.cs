using System.CommandLine;
using System.Text;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How an answer is drawn, and what ends it.</summary>
internal sealed class GenerationFlags
{
    private const int MaxStops = 16;
    private const int MaxStopBytes = 256;
    private const int MaxLogprobs = 20;

    private readonly SamplingFlags _sampling = new();

    private readonly Option<int?> _maxTokens = Typed.Whole(
        "--max-tokens", "The most tokens of an answer, from 1 [default: to the end of the context]", 1, int.MaxValue);

    private readonly Option<string[]> _stop = new("--stop")
    {
        HelpName = "TEXT",
        Description = $"End the answer before this text; may be repeated, up to {MaxStops} times",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = static result =>
        {
            var stops = result.Tokens.Select(static token => token.Value).ToArray();
            foreach (var stop in stops)
            {
                if (Encoding.UTF8.GetByteCount(stop) is 0 or > MaxStopBytes)
                    Typed.Refuse(result, "--stop", stop, $"a text of 1 to {MaxStopBytes} bytes");
            }

            if (stops.Length > MaxStops)
                result.AddError($"--stop: {stops.Length} texts are more than {MaxStops}");
            return stops;
        },
    };

    private readonly Option<int?> _logprobs = Typed.Whole(
        "--logprobs", $"With --json: the log-probability of each token and of this many alternatives, 0 to {MaxLogprobs}", 0, MaxLogprobs);

    private readonly Option<bool> _ignoreEnd = new("--ignore-end") { Description = "Go on past end-of-text tokens, to --max-tokens: for measurements" };

    public void AddTo(Command command)
    {
        command.Options.Add(_maxTokens);
        _sampling.AddTo(command);
        command.Options.Add(_stop);
        command.Options.Add(_logprobs);
        command.Options.Add(_ignoreEnd);
        command.Validators.Add(result =>
        {
            if (result.GetResult(_logprobs) is not null && !result.GetValue<bool>(OutputFlags.JsonName))
                result.AddError("--logprobs has no place in plain text; it needs --json");
        });
    }

    /// <param name="model">Whose makers' defaults hold where nothing is typed.</param>
    public GenerationOptions Read(ParseResult typed, Model model)
    {
        var sampling = _sampling.Read(typed, SamplingOptions.For(model.Defaults));
        return new GenerationOptions
        {
            MaxTokens = typed.GetValue(_maxTokens),
            Sampling = sampling,
            Stop = typed.GetValue(_stop) ?? [],
            TopLogprobs = typed.GetValue(_logprobs),
            IgnoreEnd = typed.GetValue(_ignoreEnd),
        };
    }

    /// <summary>The options of one request: where no seed is typed, one that a person can type again and that JSON readers do not round.</summary>
    public static GenerationOptions Seeded(GenerationOptions options) => options with
    {
        Sampling = options.Sampling with { Seed = options.Sampling.Seed ?? (ulong)Random.Shared.NextInt64(1L << 32) },
    };
}
