using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;
using Kvasir.Measurement;

namespace Kvasir.Cli.Inspect;

/// <summary><c>kvasir inspect --attention</c>: what policies would read of a prompt, and lose.</summary>
internal sealed class StudyRun(Shell shell, TypedCommand typed)
{
    /// <param name="name">The model.</param>
    /// <returns>The exit code.</returns>
    public int Run(string name, bool isJson)
    {
        shell.RequireOutput();
        var file = typed.Get(StudyFlags.PromptFile);
        var text = PromptText.Read(shell, null, file, keepsEnd: false);
        PromptText.RequireSome(text, file);
        // Before anything is computed: a page that cannot be written is known at once.
        var page = typed.Find(StudyFlags.Page);
        if (page is not null)
            ReportFile.RequireWritable(page);
        using var model = ModelSetup.Load(shell, name, new ModelOptions(), quiet: false, !isJson && shell.ErrorIsTerminal);
        using var engine = new Engine(model, StudyFlags.Engine(typed));
        if (Study(engine, model.Tokenizer.Encode(text)) is not { } study)
            return shell.Interrupts.Code;
        var report = StudyReport.Of(engine, study);
        if (isJson)
            shell.Output.WriteLine(InspectJson.Text(report));
        else
            StudyText.Write(report, shell.Output);
        if (page is not null)
            ReportFile.Write(page, writer => StudyPage.Write(report, writer));
        return ExitCode.Ok;
    }

    private AttentionStudy? Study(Engine engine, int[] prompt)
    {
        var probe = new AttentionProbe(engine, StudyFlags.Policies(typed), typed.Get(StudyFlags.Queries));
        var start = TimeProvider.System.GetTimestamp();
        using var cancel = new CancellationTokenSource();
        using var progress = new ProgressLine(shell, !shell.ErrorIsTerminal, () => probe.DoneLayers > 0
            ? $"studying layer {probe.DoneLayers} of {engine.Model.Config.LayerCount}"
            : $"reading the prompt: {SpeedText.Describe(probe.DoneTokens, prompt.Length, TimeProvider.System.GetElapsedTime(start))}");
        AttentionStudy? study = null;
        shell.Interrupts.Guard(cancel.Cancel, () =>
        {
            try
            {
                study = probe.Run(prompt, cancel.Token);
            }
            catch (OperationCanceledException)
            {
                shell.Note("interrupted");
            }
        });
        return study;
    }
}
