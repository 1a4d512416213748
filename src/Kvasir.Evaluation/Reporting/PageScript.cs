namespace Kvasir.Evaluation.Reporting;

/// <summary>What a page does for those who have scripts on: tooltips at once, and policies that are hidden from all plots at a click.</summary>
internal static class PageScript
{
    // A page is XML as well, and there is no spelling of a comparison or an arrow that both would read.
    public const string Text = """
        (function () {
          'use strict';
          var root = document.documentElement;
          window.addEventListener('error', function (event) { root.setAttribute('data-error', event.message); });
          var tip = document.createElement('div');
          tip.className = 'tip';
          tip.hidden = true;
          document.body.appendChild(tip);
          function textOf(shape) {
            var isDrawn = shape.namespaceURI === 'http://www.w3.org/2000/svg';
            var title = isDrawn ? Array.from(shape.children).find(function (child) { return child.tagName === 'title'; }) : null;
            if (title) {
              shape.setAttribute('aria-label', title.textContent);
              title.remove();
            }
            return shape.closest('svg') ? shape.getAttribute('aria-label') : null;
          }
          document.addEventListener('pointerover', function (event) {
            var text = event.target.tagName === 'svg' ? null : textOf(event.target);
            tip.hidden = !text;
            tip.textContent = text || '';
          });
          document.addEventListener('pointermove', function (event) {
            tip.style.left = Math.max(4, Math.min(event.clientX + 14, root.clientWidth - tip.offsetWidth - 8)) + 'px';
            tip.style.top = Math.max(4, Math.min(event.clientY + 16, root.clientHeight - tip.offsetHeight - 8)) + 'px';
          });
          document.querySelectorAll('button[data-family]').forEach(function (button) {
            button.addEventListener('click', function () {
              var isOff = button.getAttribute('aria-pressed') === 'true';
              document.querySelectorAll('[data-family]').forEach(function (shown) {
                if (shown.getAttribute('data-family') !== button.getAttribute('data-family')) return;
                if (shown.tagName.toLowerCase() === 'button') shown.setAttribute('aria-pressed', String(!isOff));
                else shown.classList.toggle('off', isOff);
              });
            });
          });
          root.setAttribute('data-ready', 'true');
        }());
        """;
}
